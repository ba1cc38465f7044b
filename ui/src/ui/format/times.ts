/** Times as text, through Intl, in the zone of the viewer unless another is given. */

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "narrow" });

const STEPS: [limit: number, seconds: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [60, 1, "second"],
  [3600, 60, "minute"],
  [86_400, 3600, "hour"],
  [7 * 86_400, 86_400, "day"],
];

export function formatExact(time: Date): string {
  return exact.format(time);
}

export function formatTime(time: Date, timeZone?: string): string {
  if (timeZone === undefined) return short.format(time);
  const options = { dateStyle: "medium", timeStyle: "short", timeZone } as const;
  return new Intl.DateTimeFormat(undefined, options).format(time);
}

/** "5 min. ago", "in 2 hr.". More than a week away, the date. */
export function formatRelative(time: Date, now: number): string {
  const seconds = (time.getTime() - now) / 1000;
  for (const [limit, size, unit] of STEPS) {
    if (Math.abs(seconds) < limit) return relative.format(Math.trunc(seconds / size), unit);
  }
  return short.format(time);
}
