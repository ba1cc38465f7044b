import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";
import type { StepKey } from "@/api/run";
import { readChoice, readText } from "@/ui/table/filters";

export const PANELS = ["output", "input", "deliveries", "events", "graph"] as const;
export type Panel = (typeof PANELS)[number];

/** What a link to a run restores: the selected step, the tab of its details, the attempt, the panel below. */
export type RunSearch = {
  step?: string;
  branch?: string;
  iteration?: number;
  tab?: string;
  attempt?: number;
  panel?: Panel;
  /** Whether idle times are drawn short. */
  compact?: true;
  /** Whether suggestions for what to do next are shown above the run. */
  first?: true;
};

export function readRunSearch(search: Record<string, unknown>): RunSearch {
  return {
    step: readText(search.step),
    branch: readText(search.branch),
    iteration: readCount(search.iteration),
    tab: readText(search.tab),
    attempt: readCount(search.attempt),
    panel: readChoice(search.panel, PANELS),
    compact: readFlag(search.compact),
    first: readFlag(search.first),
  };
}

function readFlag(value: unknown): true | undefined {
  return value === true || value === "true" ? true : undefined;
}

function readCount(value: unknown): number | undefined {
  const count = Number(value);
  return Number.isInteger(count) && count > 0 ? count : undefined;
}

/** The selected step. A link without an iteration means the first one. */
export function selectionOf({ step, branch, iteration }: RunSearch): StepKey | null {
  if (step === undefined) return null;
  return { step_id: step, branch: branch ?? "", iteration: iteration ?? 1 };
}

/** The search parameters that select a step. Its tab and attempt begin anew. */
export function searchFor(key: StepKey | null): RunSearch {
  return {
    step: key?.step_id,
    branch: key?.branch || undefined,
    iteration: key === null || key.iteration === 1 ? undefined : key.iteration,
    attempt: undefined,
  };
}

/** The search parameters of the page, and a function that changes some of them. */
export function useRunSearch(): [RunSearch, (change: RunSearch, isNewPlace?: boolean) => void] {
  const search = useSearch({ from: "/_app/runs/$runId" });
  const navigate = useNavigate({ from: "/runs/$runId" });
  const change = useCallback(
    (next: RunSearch, isNewPlace = false) => {
      void navigate({
        search: (known: RunSearch) => ({ ...known, ...next }),
        replace: !isNewPlace,
        resetScroll: false,
      });
    },
    [navigate],
  );
  return [search, change];
}
