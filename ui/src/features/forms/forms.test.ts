import { describe, expect, test } from "vitest";
import { checkedText, textOf, Unread } from "./issues";
import { readJson } from "./reading";
import { fieldsOf, inputSchema, openedInput, schemaOf, withShape } from "./schema";

const SHORT = {
  input: {
    schema: {
      topic: { type: "string", required: true, description: "What it is about.", min_length: 2 },
      words: { type: "integer", default: 200, maximum: 500 },
      tone: { type: "string", enum: ["formal", "casual"] },
      days: { type: "array", default: ["Friday"] },
      draft: { type: "boolean" },
      more: { type: "object" },
    },
  },
};

function kindsOf(definition: unknown) {
  const schema = inputSchema(definition) ?? {};
  return fieldsOf(schema, schema)?.map(({ name, kind, isRequired }) => [name, kind, isRequired]);
}

function issues(value: unknown, definition: unknown = SHORT) {
  const found = checkedText(JSON.stringify(value), inputSchema(definition)).issues;
  return found.map(({ path, text }) => `${path}: ${text}`);
}

test("a list that is not JSON is answered with an example", () => {
  const problem = { reason: 'This is not valid JSON. Write it like ["one", "two"].' };

  expect(readJson("a, b", "array")).toMatchObject(problem);
});

test("the short form of a schema becomes fields", () => {
  expect(kindsOf(SHORT)).toEqual([
    ["topic", "text", true],
    ["words", "number", false],
    ["tone", "choice", false],
    ["days", "list", false],
    ["draft", "boolean", false],
    ["more", "json", false],
  ]);
});

test("a JSON Schema becomes fields, with its references and fields that can be null", () => {
  const schema = {
    $defs: { day: { type: "string", format: "date" } },
    required: ["day"],
    properties: {
      day: { $ref: "#/$defs/day" },
      at: { anyOf: [{ type: "string", format: "date-time" }, { type: "null" }] },
      who: { type: "object", properties: { name: { type: ["string", "null"] } } },
      tags: { type: "array", items: { enum: ["a", 1] } },
    },
  };

  expect(kindsOf({ input: { schema } })).toEqual([
    ["day", "date", true],
    ["at", "date-time", false],
    ["who", "object", false],
    ["tags", "list", false],
  ]);
});

test("a form opens with earlier values that the schema names, and defaults; absent stays absent", () => {
  expect(openedInput(inputSchema(SHORT), { topic: "Moss", gone: 1 })).toEqual({
    topic: "Moss",
    words: 200,
    days: ["Friday"],
  });
});

describe("what is invalid is told at its place", () => {
  test.each([
    [{ topic: "Moss" }, []],
    [{}, ["topic: This field is required."]],
    [{ topic: "M" }, ["topic: This must have 2 or more characters."]],
    [{ topic: 1 }, ["topic: This must be a text."]],
    [{ topic: "Moss", words: 1.5 }, ["words: This must be a whole number."]],
    [{ topic: "Moss", words: 501 }, ["words: This must be 500 or less."]],
    [{ topic: "Moss", tone: "loud" }, ["tone: This must be one of: formal, casual."]],
    [{ topic: "Moss", days: ["Friday", 1] }, ["days/1: This must be a text."]],
    [[], [": This must be an object."]],
  ])("%j", (value, expected) => {
    expect(issues(value)).toEqual(expected);
  });
});

test("what cannot be read makes the whole text invalid, so that it cannot be sent", () => {
  const text = textOf({ words: new Unread("12x", "This is not a number.") });

  expect(text).toBe('{\n  "words": 12x\n}');
  expect(checkedText(text, null).issues[0]?.text).toMatch("This is not valid JSON");
});

test("a value without a schema keeps its types", () => {
  const value = { name: "Ada", tags: ["a"], paid: true, note: null };

  expect(schemaOf(value)).toMatchObject({
    required: ["name", "tags", "paid", "note"],
    properties: { tags: { type: "array", items: { type: "string" } }, note: {} },
  });
});

test("fields that a schema only requires get their types from the value", () => {
  const shape = schemaOf({ customer: "Acme", months: 12 });
  const required = { type: "object", required: ["customer", "months"] };

  expect(fieldsOf(withShape(required, shape), shape)?.map(({ kind }) => kind)).toEqual([
    "text",
    "number",
  ]);
});
