import { expect, test } from "vitest";
import { changedFields, fieldsOf } from "./fields";

const opened = { ...fieldsOf(undefined), name: "Weekdays", timezone: "UTC" };

test("only changed fields are sent", () => {
  const shown = { ...opened, name: " Mornings ", overlap: "skip" as const };

  expect(changedFields(opened, shown)).toEqual({ body: { name: "Mornings", overlap: "skip" } });
});

test("spaces around a value do not count as a change", () => {
  const shown = { ...opened, name: " Weekdays", input: `${opened.input}\n` };

  expect(changedFields(opened, shown)).toEqual({ body: {} });
});

test("a changed input is sent as it was typed", () => {
  const input = '{"id": 1180591620717411303424}';

  expect(changedFields(opened, { ...opened, input })).toEqual({ body: {}, inputText: input });
  expect(changedFields({ ...opened, input }, { ...opened, input: " " }).inputText).toBe("{}");
});
