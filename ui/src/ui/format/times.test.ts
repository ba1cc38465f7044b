import { expect, test } from "vitest";
import { formatRelative } from "./times";

const now = Date.parse("2026-03-01T12:00:00Z");

test.each([
  [0, "now"],
  [-5, "5s ago"],
  [-61, "1m ago"],
  [7200, "in 2h"],
  [-86_400, "yesterday"],
])("%s seconds from now is %s", (seconds, text) => {
  expect(formatRelative(new Date(now + seconds * 1000), now).replaceAll(/[. ]/g, "")).toBe(
    text.replaceAll(" ", ""),
  );
});

test("a time more than a week ago is a date", () => {
  expect(formatRelative(new Date(now - 30 * 86_400_000), now)).toContain("2026");
});
