import { expect, test } from "vitest";
import { keptShare, shareAfter } from "./splitShare";

test("a stored share that is no number gives the share at the start", () => {
  expect([null, "wide", "40", "999", "1"].map(keptShare)).toEqual([56, 56, 40, 75, 25]);
});

test("keys move the divider within its limits", () => {
  const keys = ["ArrowLeft", "ArrowRight", "Home", "End", "a"];
  expect(keys.map((key) => shareAfter(key, 50))).toEqual([48, 52, 25, 75, null]);
  expect(shareAfter("ArrowRight", 75)).toBe(75);
});
