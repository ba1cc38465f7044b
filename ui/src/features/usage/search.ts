import type { UsageGroup, UsagePeriod } from "@/api/usage";
import { readChoice, readText } from "@/ui/table/filters";

export const GROUPS = ["model", "pipeline", "caller"] as const satisfies readonly UsageGroup[];
export const MEASURES = ["cost", "tokens", "runs"] as const;
export type Measure = (typeof MEASURES)[number];

/** Defaults: the last 30 days, by model, cost. */
export type UsageSearch = { from?: string; to?: string; by?: UsageGroup; show?: Measure };

const DAY_MS = 86_400_000;
/** The longest period of the API. */
const MAX_DAYS = 366;

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

function readDay(value: unknown): string | undefined {
  const text = readText(value);
  if (text === undefined || !/^\d{4}-\d{2}-\d{2}$/.test(text)) return undefined;
  const time = Date.parse(text);
  return Number.isNaN(time) || dayOf(time) !== text ? undefined : text;
}

export function readUsageSearch(search: Record<string, unknown>): UsageSearch {
  const from = readDay(search.from);
  const to = readDay(search.to);
  const isPeriod = from !== undefined && to !== undefined && from <= to;
  return {
    ...(isPeriod && daysOf({ from, to }).length <= MAX_DAYS ? { from, to } : {}),
    by: readChoice(search.by, GROUPS),
    show: readChoice(search.show, MEASURES),
  };
}

/** The last days until today, in UTC. */
export function lastDays(count: number, now: number): UsagePeriod {
  return { from: dayOf(now - (count - 1) * DAY_MS), to: dayOf(now) };
}

export function periodOf(search: UsageSearch, now: number): UsagePeriod {
  const { from, to } = search;
  return from !== undefined && to !== undefined ? { from, to } : lastDays(30, now);
}

/** Each day of a period. */
export function daysOf({ from, to }: UsagePeriod): string[] {
  const first = Date.parse(from);
  const count = Math.round((Date.parse(to) - first) / DAY_MS) + 1;
  return Array.from({ length: count }, (_, index) => dayOf(first + index * DAY_MS));
}

/** The times between which runs of a day are created, for the list of runs. */
export function boundsOf(day: string): { after: string; before: string } {
  const start = Date.parse(day);
  return { after: new Date(start).toISOString(), before: new Date(start + DAY_MS).toISOString() };
}
