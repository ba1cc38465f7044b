import { expect, test } from "vitest";
import { propertiesOf, type Schema, schemasAt } from "./jsonSchema";
import { docsAt } from "./stepAt";

const SCHEMA: Schema = {
  description: "A pipeline.",
  properties: {
    name: { type: "string", description: "The name." },
    steps: { description: "The steps.", items: { $ref: "#/$defs/step" } },
  },
  $defs: {
    step: {
      properties: { id: { description: "The id." }, type: { enum: ["llm", "wait", null] } },
      required: ["id"],
      allOf: [
        {
          if: { properties: { type: { enum: ["llm", null] } } },
          // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
          then: { $ref: "#/$defs/llm" },
        },
        {
          if: { properties: { type: { enum: ["wait"] } }, required: ["type"] },
          // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
          then: { $ref: "#/$defs/wait" },
        },
      ],
    },
    llm: {
      title: "llm",
      description: "Calls a model.",
      properties: { prompt: { markdownDescription: "The `prompt`." } },
      required: ["prompt"],
    },
    wait: {
      title: "wait",
      description: "Waits.",
      properties: { seconds: { description: "How long." } },
    },
  },
};
const DOCUMENT = { name: "x", steps: [{ id: "a" }, { id: "b", type: "wait" }] };

test("conditions select the fields of a step by its type", () => {
  const fields = (index: number) => [
    ...propertiesOf(schemasAt(SCHEMA, DOCUMENT, ["steps", index])).keys(),
  ];

  expect(fields(0)).toEqual(["id", "type", "prompt"]);
  expect(fields(1)).toEqual(["id", "type", "seconds"]);
});

test("the docs of a step name its fields, and those that it needs", () => {
  const docs = docsAt(SCHEMA, DOCUMENT, ["steps", 0]);

  expect(docs).toMatchObject({ title: "llm", description: "Calls a model.", step: { id: "a" } });
  expect(docs.fields).toContainEqual({
    name: "prompt",
    description: "The `prompt`.",
    isRequired: true,
  });
});

test("outside the steps, the docs are those of the part", () => {
  expect(docsAt(SCHEMA, DOCUMENT, ["name"])).toMatchObject({
    step: null,
    description: "The name.",
  });
  expect(docsAt(SCHEMA, DOCUMENT, [])).toMatchObject({ title: null, description: "A pipeline." });
});
