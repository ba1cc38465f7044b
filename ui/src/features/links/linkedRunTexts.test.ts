import { expect, test } from "vitest";
import type { LinkedRun, LinkedStep } from "@/api/runLink";
import { outcome, placeOf, reason } from "./linkedRunTexts";

const step: LinkedStep = {
  step_id: "check",
  iteration: 1,
  branch: "",
  status: "failed",
  error: { code: "step_failed", message: "It is away." },
  duration_ms: 5,
};
const run = {
  status: "failed",
  error: { code: "step_failed", message: "Step check: It is away.", step_id: "check" },
  completed_at: "2026-11-26T10:00:00Z",
} as LinkedRun;

test("the outcome names the step that failed", () => {
  expect(outcome(run)).toMatch(/^The run failed at step check on .*2026/);
  expect(outcome({ ...run, status: "running", completed_at: null })).toBe("The run is running.");
});

test("a step has its branch and iteration", () => {
  expect(placeOf(step)).toBe("check");
  expect(placeOf({ ...step, iteration: 2 })).toBe("check, iteration 2");
  expect(placeOf({ ...step, branch: "0", iteration: 2 })).toBe("check (branch 0, iteration 2)");
});

test("a message that the run's error contains is not repeated", () => {
  expect(reason(step, run)).toBe("See above.");
  expect(reason({ ...step, error: { code: "x", message: "Other." } }, run)).toBe("Other.");
  expect(reason({ ...step, error: null }, run)).toBe("");
});
