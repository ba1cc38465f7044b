import { expect, test } from "vitest";
import { barShare } from "./barShare";

test("the bar grows with the logarithm of the duration, within its track", () => {
  expect(barShare(0)).toBe(barShare(10));
  expect(barShare(600)).toBeGreaterThan(barShare(60));
  expect(barShare(6000) - barShare(600)).toBeCloseTo(barShare(600) - barShare(60));
  expect(barShare(3_600_000)).toBe(1);
  expect(barShare(10 * 3_600_000)).toBe(1);
});
