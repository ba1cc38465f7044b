import { expect, test } from "vitest";
import { changedLimits, limitOf, limitText, typedOverrides } from "./limits";

const PLAN = { name: "pro", limits: { runs_per_day: 500, pipelines: null, cron: true } };

test.each([
  ["", null],
  [" 50 ", 50],
  ["0", 0],
  ["Unlimited", "unlimited"],
  ["true", true],
  ["false", false],
  ["many", "many"],
  ["-1", "-1"],
])("%j is sent as %j", (text, value) => {
  expect(limitOf(text)).toBe(value);
});

test("limits of a plan are shown as they can be typed", () => {
  expect([null, 0, true].map(limitText)).toEqual(["unlimited", "0", "true"]);
});

test("only limits that differ from the stored ones are sent", () => {
  const stored = typedOverrides(PLAN, { runs_per_day: 50 });
  const typed = { ...stored, runs_per_day: "", pipelines: "3" };

  expect(stored).toEqual({ runs_per_day: "50", pipelines: "", cron: "" });
  expect(changedLimits(stored, typed)).toEqual({ runs_per_day: null, pipelines: 3 });
  expect(changedLimits(stored, stored)).toEqual({});
});
