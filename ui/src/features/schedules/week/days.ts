/** The hours of a week as the clock of the viewer shows them, with the days on which clocks change. */

const HOUR_MS = 3_600_000;
const DAYS = 7;

/** An hour of a day. `round` is 1 for an hour that the clock shows a second time. */
export type Slot = { start: number; hour: number; round: number };
export type Day = { date: Date; slots: readonly Slot[] };
export type HourRow = { hour: number; round: number };

/** The day of a text such as "2026-03-29" in the zone of the viewer, or today. */
export function firstDay(text: string | undefined, now: number): Date {
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text ?? "") ?? [];
  const found = new Date(Number(year), Number(month) - 1, Number(day));
  const today = new Date(now);
  return Number.isNaN(found.getTime())
    ? new Date(today.getFullYear(), today.getMonth(), today.getDate())
    : found;
}

/** The text of a day for an address. */
export function dayText(date: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

export function addDays(date: Date, days: number): Date {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + days);
}

/** Seven days from one. A day has 23 or 25 hours if the clocks change. */
export function weekFrom(first: Date): Day[] {
  return Array.from({ length: DAYS }, (_, index) => {
    const date = addDays(first, index);
    const end = addDays(first, index + 1).getTime();
    const slots: Slot[] = [];
    for (let start = date.getTime(); start < end; start += HOUR_MS) {
      const hour = new Date(start).getHours();
      slots.push({ start, hour, round: slots.at(-1)?.hour === hour ? 1 : 0 });
    }
    return { date, slots };
  });
}

/** The rows of a table of the days: each hour, and again if a clock shows it twice. */
export function rowsOf(days: readonly Day[]): HourRow[] {
  const keys = new Set(
    days.flatMap(({ slots }) => slots.map(({ hour, round }) => hour * 2 + round)),
  );
  return [...keys]
    .sort((one, other) => one - other)
    .map((key) => ({ hour: Math.floor(key / 2), round: key % 2 }));
}

export function slotOf(day: Day, row: HourRow): Slot | undefined {
  return day.slots.find(({ hour, round }) => hour === row.hour && round === row.round);
}

/** The number of hours of a week, for the request. */
export function hoursOf(days: readonly Day[]): number {
  return days.reduce((count, { slots }) => count + slots.length, 0);
}
