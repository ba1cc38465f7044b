import type { components } from "@/api/schema";

type Schemas = components["schemas"];
export type RunStatus = Schemas["RunStatus"];
export type TestStep = {
  key: string;
  stepId: string;
  status: Schemas["StepStatus"];
  attempt: number;
  call?: number | undefined;
  /** What a model has written so far. */
  text: string;
  durationMs: number | null;
  error: { code: string; message: string } | null;
};
export type TestRunState = {
  status: RunStatus;
  steps: readonly TestStep[];
  error: { code: string; message: string } | null;
};
export type TestEvent =
  | Pick<Schemas["RunStatusEvent"], "type" | "data">
  | Pick<Schemas["StepStatusEvent"], "type" | "data">
  | Pick<Schemas["StepDeltaEvent"], "type" | "data">;

export const NOT_STARTED: TestRunState = { status: "pending", steps: [], error: null };

export function isFinal(status: RunStatus): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/** The state of a run after an event. All events of a run, from the first, give its current state. */
export function afterEvent(state: TestRunState, event: TestEvent): TestRunState {
  if (event.type === "run.status") {
    const { status, error } = event.data;
    return { ...state, status, error: error ?? null };
  }
  const { step_id: stepId, branch, iteration } = event.data;
  const key = `${branch ?? ""}/${stepId}/${iteration}`;
  const known = state.steps.find((step) => step.key === key) ?? {
    key,
    stepId,
    status: "running",
    attempt: 0,
    text: "",
    durationMs: null,
    error: null,
  };
  const next =
    event.type === "step.delta" ? afterText(known, event.data) : afterStatus(known, event.data);
  const isNew = !state.steps.some((step) => step.key === key);
  const steps = isNew
    ? [...state.steps, next]
    : state.steps.map((step) => (step.key === key ? next : step));
  return { ...state, steps };
}

function afterText(step: TestStep, data: Schemas["StepDeltaData"]): TestStep {
  const { attempt, call } = data;
  const isSame = attempt === step.attempt && call === step.call;
  return { ...step, attempt, call, text: isSame ? step.text + data.text : data.text };
}

function afterStatus(step: TestStep, data: Schemas["StepStatusData"]): TestStep {
  const isNewAttempt = data.attempt !== undefined && data.attempt !== step.attempt;
  return {
    ...step,
    status: data.status,
    attempt: data.attempt ?? step.attempt,
    text: isNewAttempt ? "" : step.text,
    durationMs: data.duration_ms ?? null,
    error: data.error ?? null,
  };
}
