import { hasEnded, type Row, timeOf, waitsFor } from "./rows";

export type Interval = { readonly from: number; readonly to: number };
/** An idle time that is drawn with a fixed width. */
export type Gap = Interval & { readonly left: number; readonly width: number };

/** Share of the axis that a compressed gap takes. */
const GAP_SHARE = 0.04;
const MAX_GAPS = 10;
/** Shorter idle times are not worth a break in the axis. */
const MIN_GAP_SHARE = 0.1;

/** The time in which a step works: without waits for a person or a time, and without the rows of containers. */
export function workOf(rows: Iterable<Row>, now: number): Interval[] {
  const found: Interval[] = [];
  for (const row of rows) {
    const from = timeOf(row.started_at);
    if (from === null || row.type === "parallel") continue;
    const waits = waitsFor(row.type);
    if (waits === "person" || waits === "time") continue;
    found.push({
      from,
      to: Math.max(from, timeOf(row.completed_at) ?? (hasEnded(row) ? from : now)),
    });
  }
  return merged(found);
}

export function merged(intervals: readonly Interval[]): Interval[] {
  const result: { from: number; to: number }[] = [];
  for (const { from, to } of [...intervals].sort((a, b) => a.from - b.from)) {
    const last = result.at(-1);
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to);
    else result.push({ from, to });
  }
  return result;
}

/** The longest times in which nothing worked, in their order. */
export function idleGaps(extent: Interval, work: readonly Interval[]): Interval[] {
  const least = (extent.to - extent.from) * MIN_GAP_SHARE;
  const gaps: Interval[] = [];
  let end = extent.from;
  for (const { from, to } of [...work, { from: extent.to, to: extent.to }]) {
    if (from - end > least) gaps.push({ from: end, to: from });
    end = Math.max(end, to);
  }
  const longest = gaps.sort((a, b) => b.to - b.from - (a.to - a.from)).slice(0, MAX_GAPS);
  return longest.sort((a, b) => a.from - b.from);
}

type Segment = Interval & {
  readonly left: number;
  readonly width: number;
  readonly isGap: boolean;
};

/** Maps times to shares of the axis, from 0 to 1. Gaps are compressed to a fixed width. */
export class TimeScale {
  readonly #segments: Segment[];
  readonly extent: Interval;

  constructor(extent: Interval, gaps: readonly Interval[] = []) {
    this.extent = { from: extent.from, to: Math.max(extent.to, extent.from + 1) };
    const { from, to } = this.extent;
    const worked = to - from - gaps.reduce((sum, gap) => sum + gap.to - gap.from, 0);
    const room = 1 - gaps.length * GAP_SHARE;
    this.#segments = [];
    let [at, left] = [from, 0];
    const add = (end: number, isGap: boolean) => {
      const width = isGap ? GAP_SHARE : worked > 0 ? ((end - at) / worked) * room : 0;
      if (end > at) this.#segments.push({ from: at, to: end, left, width, isGap });
      if (end > at) left += width;
      at = end;
    };
    for (const gap of gaps) {
      add(gap.from, false);
      add(gap.to, true);
    }
    add(to, false);
  }

  get gaps(): Gap[] {
    return this.#segments.filter(({ isGap }) => isGap);
  }

  /** The share of the axis at which a time is. */
  at(time: number): number {
    if (time <= this.extent.from) return 0;
    for (const { from, to, left, width } of this.#segments) {
      if (time <= to) return left + ((time - from) / (to - from)) * width;
    }
    return 1;
  }

  /** The time at a share of the axis. */
  timeAt(share: number): number {
    for (const { from, to, left, width } of this.#segments) {
      if (share <= left + width && width > 0) {
        return from + (Math.max(0, share - left) / width) * (to - from);
      }
    }
    return this.extent.to;
  }
}

/** The part of the axis that is shown. */
export type View = { readonly from: number; readonly to: number };
export const WHOLE: View = { from: 0, to: 1 };
const MIN_VIEW = 1e-5;

/** Zoom around a point of the shown part. `factor` below 1 shows less. */
export function zoomed(view: View, around: number, factor: number): View {
  const width = Math.min(1, Math.max(MIN_VIEW, (view.to - view.from) * factor));
  const point = view.from + around * (view.to - view.from);
  return within(point - around * width, width);
}

/** Move the shown part by a share of its width. */
export function panned(view: View, by: number): View {
  const width = view.to - view.from;
  return within(view.from + by * width, width);
}

function within(from: number, width: number): View {
  const start = Math.min(Math.max(0, from), 1 - width);
  return { from: start, to: start + width };
}

/** Where a share of the axis is in the shown part, in percent. It can be outside. */
export function percentIn(view: View, share: number): number {
  return ((share - view.from) / (view.to - view.from)) * 100;
}

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000];
const LONG_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080];

/** Times for labels of the axis, as milliseconds since its start, about `count` of them. */
export function ticks(scale: TimeScale, view: View, count: number): number[] {
  const { from: start } = scale.extent;
  const [from, to] = [scale.timeAt(view.from) - start, scale.timeAt(view.to) - start];
  const wanted = (to - from) / count;
  const steps = [...STEPS, ...LONG_STEPS.map((minutes) => minutes * 60_000)];
  const step = steps.find((each) => each >= wanted) ?? 14 * 86_400_000;
  const found: number[] = [];
  for (let at = Math.ceil(from / step) * step; at <= to && found.length <= count * 2; at += step) {
    found.push(at);
  }
  return found;
}
