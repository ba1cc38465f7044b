import { expect, test } from "vitest";
import { formatClock, formatDeadline, formatExact, formatRelative, formatTime } from "./times";

const now = Date.parse("2026-03-01T12:00:00Z");

test.each([
  [0, "now"],
  [-5, "5s ago"],
  [-61, "1m ago"],
  [7200, "in 2h"],
  [3 * 86_400 - 7, "in 3d"],
  [3599.8, "in 1h"],
  [-86_400, "yesterday"],
])("%s seconds from now is %s", (seconds, text) => {
  expect(formatRelative(new Date(now + seconds * 1000), now).replaceAll(/[. ]/g, "")).toBe(
    text.replaceAll(" ", ""),
  );
});

test("a time more than a week ago is a date", () => {
  expect(formatRelative(new Date(now - 30 * 86_400_000), now)).toContain("2026");
});

const evening = new Date("2026-03-01T21:04:05");

test("an exact time has its seconds and its zone, with hours up to 23", () => {
  expect(formatExact(evening)).toMatch(/^Mar 1, 2026, 21:04:05 (UTC|GMT|[A-Z]{3,4}|GMT[+-].*)$/);
  expect(formatTime(evening)).toBe("Mar 1, 2026, 21:04");
  expect(formatClock(evening)).toBe("21:04:05");
});

test("midnight is hour 00", () => {
  expect(formatTime(new Date("2026-03-01T00:05:00"))).toBe("Mar 1, 2026, 00:05");
});

test("a deadline is exact, and says how far away it is within a week", () => {
  const exact = formatExact(evening);
  const hours = (count: number) => evening.getTime() - count * 3_600_000;

  expect(formatDeadline(evening, hours(2))).toMatch(/ \(in\s2\s?h.*\)$/);
  expect(formatDeadline(evening, hours(2))).toContain(exact);
  expect(formatDeadline(evening, hours(24 * 8))).toBe(exact);
});
