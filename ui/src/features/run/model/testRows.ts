import type { StepPage, StepSummary, StreamedEvent } from "@/api/run";

/** Data for tests. */
export const START = Date.parse("2026-03-01T10:00:00.000Z");

export function at(ms: number): string {
  return new Date(START + ms).toISOString();
}

export function step(step_id: string, values: Partial<StepSummary> = {}): StepSummary {
  return {
    id: `00000000-0000-0000-0000-${String(values.ordinal ?? 1).padStart(12, "0")}`,
    step_id,
    name: step_id,
    type: "llm",
    branch: "",
    iteration: 1,
    ordinal: 1,
    status: "completed",
    attempts: 1,
    model: null,
    error_code: null,
    is_reused: false,
    input_tokens: 0,
    cached_tokens: 0,
    output_tokens: 0,
    cost_usd_micros: null,
    queued_ms: null,
    started_at: at(0),
    completed_at: at(1000),
    ...values,
  };
}

export function page(
  data: StepSummary[],
  last_seq: number,
  next_cursor: string | null = null,
): StepPage {
  return { data, last_seq, next_cursor };
}

type StepStatus = Extract<StreamedEvent, { type: "step.status" }>["data"];

export function stepStatus(
  seq: number,
  step_id: string,
  status: StepStatus["status"],
  values: Partial<StepStatus> = {},
): StreamedEvent {
  return {
    type: "step.status",
    seq,
    data: { run_id: "r", seq, created_at: at(seq), step_id, iteration: 1, status, ...values },
  } as StreamedEvent;
}

/** Numbers from 0 to 1 that a seed determines. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}
