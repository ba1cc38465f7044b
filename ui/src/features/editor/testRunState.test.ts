import { expect, test } from "vitest";
import { afterEvent, NOT_STARTED, type TestEvent } from "./testRunState";

const step = (data: object): TestEvent =>
  ({ type: "step.status", data: { step_id: "a", iteration: 1, ...data } }) as TestEvent;
const text = (attempt: number, written: string, call?: number): TestEvent =>
  ({
    type: "step.delta",
    data: { step_id: "a", iteration: 1, attempt, call, text: written },
  }) as TestEvent;
const run = (data: object): TestEvent => ({ type: "run.status", data }) as TestEvent;

test("text is collected, and starts again with a new attempt", () => {
  const events = [
    step({ status: "running", attempt: 1 }),
    text(1, "Mo"),
    text(1, "ss"),
    step({ status: "running", attempt: 2 }),
    text(2, "Fern"),
  ];

  expect(events.reduce(afterEvent, NOT_STARTED).steps).toMatchObject([
    { text: "Fern", attempt: 2 },
  ]);
});

test("text starts again with another call in the same attempt", () => {
  const events = [text(1, "Moss"), text(1, "Fe", 2), text(1, "rn", 2)];

  expect(events.reduce(afterEvent, NOT_STARTED).steps).toMatchObject([{ text: "Fern" }]);
});

test("iterations and branches are steps of their own, in their order", () => {
  const events = [
    step({ status: "completed", duration_ms: 5 }),
    step({ status: "running", branch: "0" }),
    step({ status: "running", iteration: 2 }),
    step({ status: "failed", branch: "0", error: { code: "timeout", message: "Too long." } }),
    run({ status: "failed", error: { code: "step_failed", message: "No." } }),
  ];

  const state = events.reduce(afterEvent, NOT_STARTED);

  expect(state.steps.map(({ status }) => status)).toEqual(["completed", "failed", "running"]);
  expect(state).toMatchObject({ status: "failed", error: { code: "step_failed" } });
});
