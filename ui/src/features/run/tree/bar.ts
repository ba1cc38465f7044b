import { hasEnded, type Row, timeOf } from "../model/rows";
import { percentIn } from "../model/timeScale";
import type { Axis } from "./useAxis";

export type Bar = { left: number; width: number; queued: number };

/** Percent of the shown part. A bar outside of it is null. The part in which calls were queued comes first. */
export function barOf(row: Row, { scale, view, now }: Axis): Bar | null {
  const from = timeOf(row.started_at);
  if (from === null || row.is_reused) return null;
  const to = timeOf(row.completed_at) ?? (hasEnded(row) ? from : Math.max(from, now));
  const [start, end] = [from, to].map((time) => percentIn(view, scale.at(time)));
  if (start === undefined || end === undefined || end < 0 || start > 100) return null;
  const waited = Math.min(to, from + (row.queued_ms ?? 0));
  const begun = percentIn(view, scale.at(waited));
  const left = Math.max(0, start);
  const right = Math.min(100, Math.max(end, start));
  const width = right - left;
  const queued = width === 0 ? 0 : (Math.max(0, Math.min(begun, right) - left) / width) * 100;
  return { left, width, queued };
}

/** Milliseconds that a row has taken so far. Null if it has not started. */
export function durationOf(row: Row, now: number): number | null {
  const from = timeOf(row.started_at);
  if (from === null) return null;
  const to = timeOf(row.completed_at);
  if (to !== null) return to - from;
  return hasEnded(row) ? null : Math.max(0, now - from);
}
