const DAY_MS = 86_400_000;

/** The time after a number of days as ISO 8601, or null for "never". */
export function expiryOf(days: string, now: number): string | null {
  return days === "never" ? null : new Date(now + Number(days) * DAY_MS).toISOString();
}
