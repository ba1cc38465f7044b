import { hasEnded, type Row } from "../model/rows";

/** What a retry does with the steps of a run. */
export type Plan = {
  /** Executions whose outputs the new run takes over, in their order. */
  reused: Row[];
  /** Ids of the steps that are executed again, as far as the run shows it. */
  again: string[];
  savedTokens: number;
  savedMicros: number;
};

/** The step at which a run stopped: the one that failed, or the first one that did not end. */
export function stoppedAt(rows: readonly Row[], failedStep: string | null): string | null {
  if (failedStep !== null) return failedStep;
  const inOrder = [...rows].sort((a, b) => a.ordinal - b.ordinal);
  const stopped = inOrder.find(({ status }) => status === "cancelled");
  return (stopped ?? inOrder.find((row) => !hasEnded(row)))?.step_id ?? null;
}

/** The steps outside branches from which a run can be retried, in the order of their first start. */
export function startSteps(rows: readonly Row[]): { id: string; name: string }[] {
  const found = new Map<string, string>();
  for (const row of [...rows].sort((a, b) => a.ordinal - b.ordinal)) {
    if (row.branch === "" && !found.has(row.step_id)) found.set(row.step_id, row.name);
  }
  return [...found].map(([id, name]) => ({ id, name }));
}

/** The step outside branches that contains a step: a retry executes all of it. */
export function outermost(rows: readonly Row[], stepId: string): string {
  const inOrder = [...rows].sort((a, b) => a.ordinal - b.ordinal);
  const inside = inOrder.findLastIndex(({ step_id }) => step_id === stepId);
  const around = inOrder.slice(0, inside + 1).findLast(({ branch }) => branch === "");
  return around?.step_id ?? stepId;
}

/** `from` is "start" or the id of a step outside branches. */
export function planRetry(rows: readonly Row[], from: string): Plan {
  const inOrder = [...rows].sort((a, b) => a.ordinal - b.ordinal);
  const starts = inOrder.filter(({ step_id, branch }) => step_id === from && branch === "");
  const first = from === "start" ? 0 : (starts.at(-1)?.ordinal ?? 0);
  const reused = inOrder.filter(
    (row) => row.ordinal < first && hasEnded(row) && row.status !== "cancelled",
  );
  const again = inOrder.filter((row) => row.ordinal >= first && row.branch === "");
  return {
    reused,
    again: [...new Set(again.map(({ step_id }) => step_id))],
    savedTokens: reused.reduce((sum, row) => sum + row.input_tokens + row.output_tokens, 0),
    savedMicros: reused.reduce((sum, row) => sum + (row.cost_usd_micros ?? 0), 0),
  };
}
