import type { Firing } from "@/api/schedules";
import { LOCALE } from "@/ui/format/locale";

const SHAPE = {
  weekday: "short",
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "numeric",
  minute: "2-digit",
  hourCycle: "h23",
} as const satisfies Intl.DateTimeFormatOptions;

/** The time zone of the viewer. */
export function viewerZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** A time with its weekday in a zone, or as the server wrote it if the browser does not know the zone. */
export function zoneTime(firing: Pick<Firing, "run_at" | "local">, timeZone: string): string {
  try {
    const format = new Intl.DateTimeFormat(LOCALE, { ...SHAPE, timeZone });
    return format.format(new Date(firing.run_at));
  } catch {
    return firing.local.replace("T", " ");
  }
}

/** Names of zones that a person can choose, with UTC and the given ones. */
export function zoneNames(...more: readonly string[]): string[] {
  return [...new Set(["UTC", ...more, ...Intl.supportedValuesOf("timeZone")])];
}
