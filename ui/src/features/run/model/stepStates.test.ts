import { describe, expect, it } from "vitest";
import type { StepSummary } from "@/api/run";
import { listedRow } from "./applyEvent";
import { executionsOf } from "./stepStates";
import { step } from "./testRows";

function executions(...values: Partial<StepSummary>[]) {
  const rows = values.map((each, index) =>
    listedRow(undefined, step("a", { ordinal: index + 1, ...each }), 1),
  );
  const found = executionsOf(rows).get("a");
  if (found === undefined) throw new Error("The step has no executions.");
  return found;
}

describe("executionsOf", () => {
  it("groups executions by step", () => {
    const rows = ["a", "b", "a"].map((id) => listedRow(undefined, step(id), 1));

    expect([...executionsOf(rows).keys()]).toEqual(["a", "b"]);
  });

  it("shows the last of several rounds", () => {
    const found = executions(
      { iteration: 1, status: "failed" },
      { iteration: 2, status: "running" },
    );

    expect(found).toMatchObject({ total: 2, isSpread: false, status: "running" });
    expect(found.shown.iteration).toBe(2);
  });

  it("counts items, and shows the first that failed", () => {
    const found = executions(
      { branch: "0" },
      { branch: "1", status: "running" },
      { branch: "2", status: "failed" },
      { branch: "3", status: "failed" },
    );

    expect(found).toMatchObject({
      total: 4,
      ended: 3,
      failed: 2,
      isSpread: true,
      status: "failed",
    });
    expect(found.shown.branch).toBe("2");
  });

  it("shows an item that runs before those that wait or have ended", () => {
    const found = executions(
      { branch: "0" },
      { branch: "1", status: "pending" },
      { branch: "2", status: "running" },
    );

    expect(found).toMatchObject({ status: "running", ended: 1 });
  });
});
