import { queryOptions } from "@tanstack/react-query";
import { countRuns, getRuns, type Run, type RunFilter } from "@/api/runs";
import { type FreshRuns, type RunList, startList } from "./model/runList";

const PER_PAGE = 50;
const LARGEST_PAGE = 100;
/** Pages can be short: a rare match may need several of them. After these, the person decides. */
const MAX_PAGES = 5;
const COUNT_STALE_MS = 60_000;

/** Read runs from a cursor, or the newest ones, until there are enough of them. */
export async function readRuns(
  filter: RunFilter,
  from?: string,
  wanted = PER_PAGE,
  signal?: AbortSignal,
): Promise<FreshRuns> {
  const runs: Run[] = [];
  let cursor = from;
  for (let pages = 0; pages < MAX_PAGES && runs.length < wanted; pages++) {
    const limit = Math.min(LARGEST_PAGE, wanted - runs.length);
    const page = await getRuns(filter, { limit, cursor }, signal);
    runs.push(...page.data);
    if (page.next_cursor === null) return { runs, next: null };
    cursor = page.next_cursor;
  }
  return { runs, next: cursor ?? null };
}

/** How many runs match a filter, for a list that has further pages. */
export function runCountQuery(filter: RunFilter) {
  return queryOptions({
    queryKey: ["runs", "count", filter],
    queryFn: ({ signal }) => countRuns(filter, signal),
    staleTime: COUNT_STALE_MS,
  });
}

/** A list of runs. It is never read again as a whole: the stream of the list changes its rows in their places. */
export function runListQuery(filter: RunFilter) {
  return queryOptions({
    queryKey: ["runs", "list", filter],
    queryFn: async ({ signal }): Promise<RunList> =>
      startList(await readRuns(filter, undefined, PER_PAGE, signal)),
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
}
