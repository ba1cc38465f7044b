import { formatNumber } from "@/ui/format/numbers";
import type { BulkAction } from "./bulkRequest";

const VERBS: Record<BulkAction, string> = { cancel: "Cancel", retry: "Retry" };

function runs(count: number | null): string {
  if (count === null) return "all runs that match";
  return `${formatNumber(count)} ${count === 1 ? "run" : "runs"}`;
}

/** Texts of the actions on many runs. */
export const strings = {
  selected: (count: number | null) =>
    count === null ? "All runs that match" : `${formatNumber(count)} selected`,
  selectAll: "Select all runs that match",
  clear: "Clear the selection",
  action: (action: BulkAction, count: number | null) =>
    `${VERBS[action]} ${count === null ? "all" : formatNumber(count)}…`,
  title: (action: BulkAction, count: number | null) => `${VERBS[action]} ${runs(count)}`,
  text: {
    cancel:
      "Steps that run are interrupted. What they have cost so far remains. This cannot be undone.",
    retry: "Each run is started again as a new run with the same input.",
  } satisfies Record<BulkAction, string>,
  filterText:
    "A job takes the newest 10,000 of the runs that match the filters now, including those that are not loaded.",
  name: "Name of the job",
  nameHint: "Optional. It helps you to find the job later.",
  from: "Start from",
  fromStart: "The beginning",
  fromFailed: "The failed step. The outputs of earlier steps are used again.",
  version: "Version",
  versionSame: "The same as the run's",
  versionLatest: "The newest",
  keep: { cancel: "Keep them", retry: "Not now" } satisfies Record<BulkAction, string>,
  failed: {
    cancel: "The runs were not cancelled",
    retry: "The runs were not retried",
  } satisfies Record<BulkAction, string>,
} as const;
