import { expect, test } from "vitest";
import { runStatus } from "./StatusBadge";

test("a run that completed although steps failed says so", () => {
  expect(runStatus({ status: "completed", failedSteps: 4 })).toEqual({
    status: "with_failures",
    label: "Completed · 4 failed",
  });
  expect(runStatus({ status: "completed", failedSteps: 0 }).label).toBe("Completed");
  expect(runStatus({ status: "failed", failedSteps: 1 }).label).toBe("Failed");
});
