import { describe, expect, it } from "vitest";
import { sampleInput } from "./sampleInput";
import { LANGUAGES, pythonLiteral, snippet, TRIGGERS } from "./snippets";

const ID = "0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e";
const INPUT = { topic: 'it\'s "moss"', count: 1, deep: { on: true, none: null }, list: [] };
const CALL = { origin: "https://stepiq.example.com", pipelineId: ID, input: INPUT };

function inputIn(body: unknown): unknown {
  return (body as { input_data: unknown }).input_data;
}

describe.each(TRIGGERS)("the programs for %s", (trigger) => {
  it.each(LANGUAGES)("have the address and the header in %s", (language) => {
    const text = snippet(trigger, language, CALL);
    expect(text).toContain(`https://stepiq.example.com/api/`);
    expect(text).toContain(ID);
    expect(text).toContain("X-API-Key");
    expect(text).not.toContain("sk_live");
  });

  it("send the input as JSON with curl", () => {
    const [, quoted = ""] = /-d '(.*)'$/s.exec(snippet(trigger, "curl", CALL)) ?? [];
    expect(inputIn(JSON.parse(quoted.replaceAll("'\\''", "'")))).toEqual(INPUT);
  });

  it("send the input as JSON with JavaScript", () => {
    const text = snippet(trigger, "javascript", CALL);
    const [, json = ""] = /JSON\.stringify\((.*)\),\n\}\);/s.exec(text) ?? [];
    expect(inputIn(JSON.parse(json))).toEqual(INPUT);
  });
});

it("values are written as Python writes them", () => {
  const value = { a: true, b: null, c: [false, 1.5], d: {}, e: 'say "x"' };
  const literal = pythonLiteral(value).replace(/\s+/g, " ");
  expect(literal).toBe(
    '{ "a": True, "b": None, "c": [ False, 1.5, ], "d": {}, "e": "say \\"x\\"", }',
  );
});

describe("the sample of an input", () => {
  it("fits the short form", () => {
    const schema = {
      topic: { type: "string", required: true },
      language: { type: "string", enum: ["en", "de"] },
      count: "integer",
      draft: { type: "boolean", default: false },
    };
    expect(sampleInput({ input: { schema } })).toEqual({
      topic: "text",
      language: "en",
      count: 1,
      draft: false,
    });
  });

  it("fits a JSON Schema", () => {
    const items = { type: "object", properties: { id: { type: "integer", minimum: 10 } } };
    const schema = { type: "object", properties: { rows: { type: "array", items } } };
    expect(sampleInput({ input: { schema } })).toEqual({ rows: [{ id: 10 }] });
  });

  it("is empty without a schema", () => {
    expect(sampleInput({})).toEqual({});
    expect(sampleInput({ input: { schema: null } })).toEqual({});
  });
});
