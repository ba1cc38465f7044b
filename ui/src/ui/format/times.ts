/** Times as text, through Intl, in the zone of the viewer unless another is given. Hours are from 00 to 23. */

import { LOCALE } from "./locale";

const SHORT = { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" } as const;
const exact = new Intl.DateTimeFormat(LOCALE, { ...SHORT, timeStyle: "long" });
const short = new Intl.DateTimeFormat(LOCALE, SHORT);
const day = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeZone: "UTC" });
const clock = new Intl.DateTimeFormat(LOCALE, { timeStyle: "medium", hourCycle: "h23" });
const relative = new Intl.RelativeTimeFormat(LOCALE, { numeric: "auto", style: "narrow" });

const STEPS: [limit: number, seconds: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [60, 1, "second"],
  [3600, 60, "minute"],
  [86_400, 3600, "hour"],
  [7 * 86_400, 86_400, "day"],
];

/** "Mar 1, 2026, 13:00:00 GMT+1" */
export function formatExact(time: Date): string {
  return exact.format(time);
}

/** "Mar 1, 2026, 13:00" */
export function formatTime(time: Date): string {
  return short.format(time);
}

/** "Mar 1, 2026" of "2026-03-01" */
export function formatDay(date: string): string {
  return day.format(new Date(date));
}

/** "13:00:00" */
export function formatClock(time: Date): string {
  return clock.format(time);
}

/** "5m ago", "in 2h". More than a week away, the date. */
export function formatRelative(time: Date, now: number): string {
  return distance(time, now) ?? short.format(time);
}

/** "Mar 1, 2026, 13:00:00 GMT+1 (in 2h)". More than a week away, without the distance. */
export function formatDeadline(time: Date, now: number): string {
  const away = distance(time, now);
  if (away === null) return exact.format(time);
  // A line ends before the distance, not in it.
  return `${exact.format(time)} (${away.replaceAll(" ", "\u00a0")})`;
}

function distance(time: Date, now: number): string | null {
  const seconds = (time.getTime() - now) / 1000;
  // A time ahead is rounded, so that a moment after its start a period of three days still ends in three days.
  const whole = seconds < 0 ? Math.trunc : Math.round;
  for (const [limit, size, unit] of STEPS) {
    const count = whole(seconds / size);
    if (Math.abs(count) * size < limit) return relative.format(count, unit);
  }
  return null;
}
