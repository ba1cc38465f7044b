import { expect, test } from "vitest";
import { inputFields, readInput, valuesOf } from "./inputFields";

const SHORT = {
  input: {
    schema: {
      topic: { type: "string", required: true, description: "What it is about." },
      words: { type: "integer", default: 200 },
      tone: { type: "string", enum: ["formal", "casual"] },
      days: { type: "array", default: ["Friday"] },
      draft: { type: "boolean" },
    },
  },
};

test("the short form of a schema becomes fields", () => {
  const fields = inputFields(SHORT);

  expect(
    fields?.map(({ name, kind, isRequired, initial }) => [name, kind, isRequired, initial]),
  ).toEqual([
    ["topic", "text", true, ""],
    ["words", "integer", false, "200"],
    ["tone", "choice", false, ""],
    ["days", "json", false, '["Friday"]'],
    ["draft", "boolean", false, ""],
  ]);
});

test("a JSON Schema becomes fields as well", () => {
  const schema = { type: "object", properties: { n: { type: "number" } }, required: ["n"] };

  expect(inputFields({ input: { schema } })).toMatchObject([
    { name: "n", kind: "number", isRequired: true },
  ]);
});

test("a form means an input with the right types, without empty fields", () => {
  const fields = inputFields(SHORT) ?? [];
  const values = { ...valuesOf(fields, { topic: "Moss" }), words: "5", draft: "true" };

  expect(readInput(fields, values)).toEqual({
    input: { topic: "Moss", words: 5, days: ["Friday"], draft: true },
    errors: {},
  });
});

test("values that cannot be read are errors", () => {
  const fields = inputFields(SHORT) ?? [];
  const { errors } = readInput(fields, { topic: "", words: "many", days: "[", tone: "" });

  expect(errors).toEqual({ words: "notNumber", days: "notJson" });
});

test("a missing schema has no fields, and an unsupported one has no form", () => {
  expect(inputFields({})).toEqual([]);
  expect(inputFields({ input: { schema: { type: "object" } } })).toBeNull();
});
