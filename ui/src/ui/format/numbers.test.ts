import { describe, expect, test } from "vitest";
import { formatBytes, formatCompact, formatDuration, formatMoney } from "./numbers";

describe("formatDuration", () => {
  test.each([
    [0, "0ms"],
    [840.4, "840ms"],
    [3200, "3.2s"],
    [59_960, "1m"],
    [125_000, "2m 5s"],
    [3_600_000, "1h"],
    [100_800_000, "1d 4h"],
    [null, "–"],
  ])("%s ms is %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

describe("formatMoney", () => {
  test.each([
    [0, "$0.00"],
    [12, "$0.000012"],
    [1_500_000, "$1.50"],
    [99_999, "$0.099999"],
    [undefined, "–"],
  ])("%s micro-dollars are %s", (micros, text) => {
    expect(formatMoney(micros)).toBe(text);
  });
});

test("large numbers are short, small ones exact", () => {
  expect(formatCompact(9_999)).toBe("9,999");
  expect(formatCompact(1_234_567)).toBe("1.2M");
});

test("bytes have a unit", () => {
  expect(formatBytes(999)).toBe("999 B");
  expect(formatBytes(1_234_567)).toBe("1.2 MB");
});
