import { expect, test } from "vitest";
import { afterEvent, NOT_STARTED, type TestEvent } from "./testRunState";

const step = (data: object): TestEvent =>
  ({ type: "step.status", data: { step_id: "a", iteration: 1, ...data } }) as TestEvent;
const text = (attempt: number, written: string): TestEvent =>
  ({
    type: "step.delta",
    data: { step_id: "a", iteration: 1, attempt, text: written },
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
