import { describe, expect, test } from "vitest";
import { listedRow } from "../model/applyEvent";
import { step } from "../model/testRows";
import { editedTexts } from "./outputs";
import { outermost, planRetry, startSteps, stoppedAt } from "./plan";

const ROWS = [
  step("classify", { input_tokens: 40, output_tokens: 2, cost_usd_micros: 12 }),
  step("each", { type: "parallel" }),
  step("draft", { branch: "0", input_tokens: 10, output_tokens: 10, cost_usd_micros: 5 }),
  step("draft", { branch: "1", status: "cancelled" }),
  step("check", { status: "failed" }),
].map((each, index) => listedRow(undefined, { ...each, ordinal: index + 1 }, 1));

describe("what a retry reuses", () => {
  test("from the start, nothing", () => {
    expect(planRetry(ROWS, "start")).toMatchObject({
      reused: [],
      again: ["classify", "each", "check"],
      savedTokens: 0,
    });
  });

  test("from a step, what ended before its last start, with its cost", () => {
    const plan = planRetry(ROWS, "check");

    expect(plan.reused.map(({ key }) => key)).toEqual(["classify||1", "each||1", "draft|0|1"]);
    expect(plan).toMatchObject({ again: ["check"], savedTokens: 62, savedMicros: 17 });
  });
});

test("a step in a branch is executed again with all that contains it", () => {
  expect(outermost(ROWS, "draft")).toBe("each");
  expect(outermost(ROWS, "check")).toBe("check");
  expect(startSteps(ROWS).map(({ id }) => id)).toEqual(["classify", "each", "check"]);
});

test("a cancelled run stopped at its first step that was cancelled", () => {
  expect(stoppedAt(ROWS, null)).toBe("draft");
  expect(stoppedAt(ROWS, "check")).toBe("check");
});

test("only outputs that were edited are sent, as they were typed", () => {
  const outputs = {
    classify: { recorded: '{"id": 1}', text: '{"id": 1180591620717411303424}' },
    each: { recorded: "[]", text: "[]" },
    check: { recorded: "1", text: "2" },
  };

  expect(editedTexts(outputs, planRetry(ROWS, "check").reused)).toEqual({
    classify: '{"id": 1180591620717411303424}',
  });
});
