import type { BulkRequest } from "@/api/bulkJobs";
import { isFinal } from "@/api/run";
import type { Run, RunFilter } from "@/api/runs";

export type BulkAction = BulkRequest["action"];
/** The runs that a person has chosen: rows of the list, or all that match its filter. */
export type BulkTarget =
  | { kind: "rows"; runs: readonly Run[] }
  | { kind: "filter"; filter: RunFilter };

/** A job may have at most this many runs by id. */
const MAX_ROWS = 5000;

/** The chosen runs that an action can change. */
export function affected(target: BulkTarget, action: BulkAction): BulkTarget {
  if (target.kind === "filter") return target;
  const runs = target.runs.filter((run) => isFinal(run.status) === (action === "retry"));
  return { kind: "rows", runs: runs.slice(0, MAX_ROWS) };
}

/** Number of runs. Null: all runs that match the filter, whose number is not known. */
export function countOf(target: BulkTarget): number | null {
  return target.kind === "rows" ? target.runs.length : null;
}

export function bulkRequest(
  target: BulkTarget,
  action: BulkAction,
  options: { name: string; from: string; version: BulkRequest["version"] },
): BulkRequest {
  const { name, from, version } = options;
  const {
    status = [],
    with_failures = false,
    ...filter
  } = target.kind === "filter" ? target.filter : {};
  return {
    action,
    name: name.trim() || null,
    ...(target.kind === "rows"
      ? { run_ids: target.runs.map(({ id }) => id) }
      : { filter: { ...filter, status: status ?? [], with_failures: with_failures ?? false } }),
    from: action === "retry" ? from : "start",
    version: action === "retry" ? version : "same",
  };
}
