import type { StepKey, StepSummary } from "@/api/run";

/** An execution of a step, as the list of steps and the events describe it. */
export type Row = StepSummary & {
  readonly key: string;
  /** Number of the last event that the row includes. */
  readonly seq: number;
  /** Number of the attempt that runs, for a step that has not ended. */
  readonly attempt: number;
  /** When a review of it expires. */
  readonly expiresAt: string | null;
};

export function rowKey({ step_id, branch, iteration }: StepKey): string {
  return `${step_id}|${branch}|${iteration}`;
}

const FINAL = new Set(["completed", "failed", "skipped", "cancelled"]);

export function hasEnded(row: Pick<Row, "status">): boolean {
  return FINAL.has(row.status);
}

/** The branch that contains a branch: "2" for "2/0", and "" for "2". */
export function enclosing(branch: string): string {
  const slash = branch.lastIndexOf("/");
  return slash === -1 ? "" : branch.slice(0, slash);
}

/** The last index of a branch, or null outside branches. In a `for_each`, it is the number of the item from 0. */
export function branchIndex(branch: string): number | null {
  return branch === "" ? null : Number(branch.slice(branch.lastIndexOf("/") + 1));
}

/** What a step waits for while it runs. It decides the colour of its bar. */
export type Waits = "model" | "http" | "code" | "person" | "time" | "compute";

const WAITS: Record<string, Waits> = {
  llm: "model",
  webhook: "http",
  code: "code",
  human_review: "person",
  wait: "time",
};

export function waitsFor(type: string): Waits {
  return WAITS[type] ?? "compute";
}

export function timeOf(instant: string | null | undefined): number | null {
  return instant === null || instant === undefined ? null : Date.parse(instant);
}
