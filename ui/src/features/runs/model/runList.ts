import type { Run } from "@/api/runs";

/** A list of runs, newest first. New ones wait until a person asks for them, so that no row moves under a pointer. */
export type RunList = {
  rows: readonly Run[];
  waiting: readonly Run[];
  /** Cursor of the runs after the last row. Null: there are none. */
  next: string | null;
};

/** Runs that were read, newest first. `next` is the cursor of those after them. */
export type FreshRuns = { runs: readonly Run[]; next: string | null };

/** Ids are ordered by the time of creation. */
function isNewer(one: Pick<Run, "id">, other: Pick<Run, "id">): boolean {
  return one.id > other.id;
}

function sorted(runs: readonly Run[]): Run[] {
  return [...runs].sort((one, other) => (isNewer(one, other) ? -1 : 1));
}

function replaced(runs: readonly Run[], run: Run): readonly Run[] | null {
  const index = runs.findIndex(({ id }) => id === run.id);
  return index === -1 ? null : runs.with(index, run);
}

export function startList({ runs, next }: FreshRuns): RunList {
  return { rows: runs, waiting: [], next };
}

/** A run that matches the filter was created or has changed. */
export function changeRun(list: RunList, run: Run): RunList {
  const rows = replaced(list.rows, run);
  if (rows !== null) return { ...list, rows };
  const waiting = replaced(list.waiting, run);
  if (waiting !== null) return { ...list, waiting };
  const last = list.rows.at(-1);
  // It belongs to the rows that are not loaded yet.
  if (list.next !== null && (last === undefined || isNewer(last, run))) return list;
  if (last === undefined) return { ...list, rows: [run] };
  return { ...list, waiting: sorted([run, ...list.waiting]) };
}

/** A run no longer matches the filter. */
export function removeRun(list: RunList, runId: string): RunList {
  const others = ({ id }: Run) => id !== runId;
  if (list.rows.every(others) && list.waiting.every(others)) return list;
  return { ...list, rows: list.rows.filter(others), waiting: list.waiting.filter(others) };
}

/** Apply what was read again, which may be less than the list has. Rows that were not read remain. */
export function refresh(list: RunList, { runs, next }: FreshRuns): RunList {
  if (list.rows.length === 0 && list.waiting.length === 0) return startList({ runs, next });
  const last = runs.at(-1);
  const wasRead = (run: Run) => next === null || (last !== undefined && !isNewer(last, run));
  const fresh = new Map(runs.map((run) => [run.id, run]));
  const kept = (run: Run) => fresh.get(run.id) ?? (wasRead(run) ? [] : run);
  const rows = list.rows.flatMap(kept);
  const shown = new Set(rows.map(({ id }) => id));
  const unread = list.waiting.filter((run) => !wasRead(run));
  const oldest = list.rows.at(-1);
  const waiting = runs.filter(
    (run) =>
      !shown.has(run.id) && (list.next === null || oldest === undefined || isNewer(run, oldest)),
  );
  return { ...list, rows, waiting: sorted([...waiting, ...unread]) };
}

export function showWaiting(list: RunList): RunList {
  if (list.waiting.length === 0) return list;
  return { ...list, rows: sorted([...list.waiting, ...list.rows]), waiting: [] };
}

/** Add the page after the last row. */
export function addPage(list: RunList, { runs, next }: FreshRuns): RunList {
  const added = new Set(runs.map(({ id }) => id));
  const rows = [...list.rows.filter(({ id }) => !added.has(id)), ...runs];
  const waiting = list.waiting.filter(({ id }) => !added.has(id));
  return { rows: sorted(rows), waiting, next };
}
