import { expect, test } from "vitest";
import { answerOf, draftProblem, isEdited } from "./draft";

const text = { input: "One\r\ntwo", input_text: "One\r\ntwo", input_schema: null, editable: true };
const json = { input: { a: 1 }, input_text: '{\n  "a": 1\n}', input_schema: null, editable: true };

test("line breaks that the field has normalized are not an edit", () => {
  expect(isEdited(text, { text: "One\ntwo", comment: "" })).toBe(false);
  expect(isEdited(text, { text: "One\nTwo", comment: "" })).toBe(true);
});

test("data that cannot be edited is not sent", () => {
  const answer = answerOf(
    { ...text, editable: false },
    { text: "x", comment: " Well " },
    "approve",
  );

  expect(answer).toEqual({ decision: "approve", comment: "Well", outputText: null });
});

test("an edited text is sent as a JSON text", () => {
  const answer = answerOf(text, { text: 'Say "hello"\n', comment: "" }, "reject");

  expect(answer).toEqual({ decision: "reject", comment: null, outputText: '"Say \\"hello\\"\\n"' });
});

test("edited JSON keeps the digits of its numbers", () => {
  const edited = '{"id": 1180591620717411303424, "score": 8.0}';

  expect(answerOf(json, { text: edited, comment: "" }, "approve").outputText).toBe(edited);
});

test("invalid JSON is a problem, and any text is valid text", () => {
  expect(draftProblem(json, { text: "{a: 1}", comment: "" })).toMatch(/^This is not valid JSON: /);
  expect(draftProblem(json, { text: '{"a": 2}', comment: "" })).toBeNull();
  expect(draftProblem(text, { text: "{a: 1}", comment: "" })).toBeNull();
});

test("a text whose schema lists its values is edited as JSON", () => {
  const review = {
    ...text,
    input: "low",
    input_text: "low",
    input_schema: { enum: ["low", "high"] },
  };
  const chosen = { text: '"high"', comment: "" };

  expect(isEdited(review, { text: '"low"', comment: "" })).toBe(false);
  expect(answerOf(review, chosen, "approve").outputText).toBe('"high"');
  expect(draftProblem(review, { text: "", comment: "" })).toMatch(/^This is not valid JSON: /);
});

test("a text without a list of values stays a text", () => {
  const review = { ...text, input_schema: { type: "string" } };

  expect(answerOf(review, { text: "Two", comment: "" }, "approve").outputText).toBe('"Two"');
});
