/** Numbers, money and durations as text, through Intl. Amounts that are not known are an en dash. */

import { LOCALE } from "./locale";

export const UNKNOWN = "–";

const whole = new Intl.NumberFormat(LOCALE);
const compact = new Intl.NumberFormat(LOCALE, { notation: "compact", maximumFractionDigits: 1 });
const cents = new Intl.NumberFormat(LOCALE, { style: "currency", currency: "USD" });
const fine = new Intl.NumberFormat(LOCALE, {
  style: "currency",
  currency: "USD",
  minimumFractionDigits: 2,
  maximumFractionDigits: 6,
});

export function formatNumber(value: number): string {
  return whole.format(value);
}

/** 1,234,567 as "1.2M". Numbers below 10,000 are exact. */
export function formatCompact(value: number): string {
  return Math.abs(value) < 10_000 ? whole.format(value) : compact.format(value);
}

/** Micro-dollars as dollars. Amounts below ten cents keep all their digits. */
export function formatMoney(micros: number | null | undefined): string {
  if (micros === null || micros === undefined) return UNKNOWN;
  const dollars = micros / 1_000_000;
  return micros !== 0 && Math.abs(micros) < 100_000 ? fine.format(dollars) : cents.format(dollars);
}

const units = new Map<string, Intl.NumberFormat>();

function inUnit(value: number, unit: string, digits = 0): string {
  const key = `${unit}${digits}`;
  const known = units.get(key);
  if (known !== undefined) return known.format(value);
  const format = new Intl.NumberFormat(LOCALE, {
    style: "unit",
    unit,
    unitDisplay: "narrow",
    maximumFractionDigits: digits,
  });
  units.set(key, format);
  return format.format(value);
}

/** A duration with its two largest units: "840ms", "3.2s", "2m 5s", "1d 4h". */
export function formatDuration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return UNKNOWN;
  if (ms < 1000) return inUnit(Math.max(0, Math.round(ms)), "millisecond");
  if (ms < 59_950) return inUnit(ms / 1000, "second", 1);
  const seconds = Math.round(ms / 1000);
  const parts = [
    { value: Math.floor(seconds / 86_400), unit: "day" },
    { value: Math.floor(seconds / 3600) % 24, unit: "hour" },
    { value: Math.floor(seconds / 60) % 60, unit: "minute" },
    { value: seconds % 60, unit: "second" },
  ];
  const first = parts.findIndex(({ value }) => value > 0);
  const shown = parts.slice(first, first + 2).filter(({ value }) => value > 0);
  return shown.map(({ value, unit }) => inUnit(value, unit)).join(" ");
}

/** Bytes as "1.2 MB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${whole.format(bytes)} B`;
  const [size, unit] = bytes < 1_000_000 ? [bytes / 1000, "kB"] : [bytes / 1_000_000, "MB"];
  return `${compact.format(size)} ${unit}`;
}
