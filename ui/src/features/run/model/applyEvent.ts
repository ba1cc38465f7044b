import type { StepSummary, StreamedEvent } from "@/api/run";
import { hasEnded, type Row, rowKey } from "./rows";

type StepStatus = Extract<StreamedEvent, { type: "step.status" }>["data"];
type ReviewRequested = Extract<StreamedEvent, { type: "review.requested" }>["data"];

/** Rows that only events describe come after all rows of the list, in the order of their events. */
const AFTER_LISTED = 1_000_000_000;

/** A row from a page of the list, whose last event had the number `seq`. */
export function listedRow(known: Row | undefined, step: StepSummary, seq: number): Row {
  if (known !== undefined && known.seq > seq) {
    // Events after the page are newer than it, but they lack some fields.
    return {
      ...known,
      id: step.id,
      ordinal: step.ordinal,
      is_reused: step.is_reused,
      queued_ms: known.queued_ms ?? step.queued_ms,
      started_at: step.started_at ?? known.started_at,
    };
  }
  const attempt = Math.max(step.attempts, known?.attempt ?? 0);
  const expiresAt = known?.expiresAt ?? null;
  return { ...step, key: rowKey(step), seq, attempt, expiresAt };
}

function newRow(data: StepStatus | ReviewRequested): Row {
  const key = { step_id: data.step_id, branch: data.branch ?? "", iteration: data.iteration };
  return {
    ...key,
    key: rowKey(key),
    seq: 0,
    id: "",
    name: data.step_id,
    type: "",
    ordinal: AFTER_LISTED + data.seq,
    status: "pending",
    attempts: 0,
    attempt: 0,
    model: null,
    error_code: null,
    is_reused: false,
    input_tokens: 0,
    cached_tokens: 0,
    output_tokens: 0,
    cost_usd_micros: null,
    queued_ms: null,
    started_at: null,
    completed_at: null,
    expiresAt: null,
  };
}

/** The row after an event, or the same object if it includes the event. */
export function afterStepStatus(known: Row | undefined, data: StepStatus): Row {
  const row = known ?? newRow(data);
  if (data.seq <= row.seq) return row;
  const next: Row = {
    ...row,
    seq: data.seq,
    status: data.status,
    name: data.name ?? row.name,
    type: data.type ?? row.type,
    model: data.model === undefined ? row.model : data.model,
    attempt: data.attempt ?? row.attempt,
    attempts: data.attempts ?? Math.max(row.attempts, data.attempt ?? 0),
    error_code: data.error?.code ?? null,
    input_tokens: data.input_tokens ?? row.input_tokens,
    cached_tokens: data.cached_tokens ?? row.cached_tokens,
    output_tokens: data.output_tokens ?? row.output_tokens,
    cost_usd_micros:
      data.cost_usd_micros === undefined ? row.cost_usd_micros : data.cost_usd_micros,
  };
  const started_at = row.started_at ?? startOf(data);
  const completed_at = hasEnded(next) ? endOf(started_at, data) : null;
  return { ...next, started_at, completed_at };
}

function startOf(data: StepStatus): string | null {
  if (data.status === "skipped" || data.status === "pending") return null;
  if (data.duration_ms === undefined) return data.created_at;
  return new Date(Date.parse(data.created_at) - data.duration_ms).toISOString();
}

/** The event of a computation is recorded a little after its end, so its own duration counts. */
function endOf(started: string | null, data: StepStatus): string {
  if (started === null || data.duration_ms === undefined) return data.created_at;
  return new Date(Date.parse(started) + data.duration_ms).toISOString();
}

export function afterReviewRequested(known: Row | undefined, data: ReviewRequested): Row {
  const row = known ?? newRow(data);
  if (data.seq <= row.seq) return row;
  return { ...row, seq: data.seq, status: "waiting", expiresAt: data.expires_at };
}
