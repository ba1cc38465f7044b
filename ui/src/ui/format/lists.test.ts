import { expect, test } from "vitest";
import { formatNames } from "./lists";

test.each([
  [["a"], "“a”"],
  [["a", "b"], "“a” and “b”"],
  [["a", "b", "c"], "“a”, “b”, and “c”"],
])("the names %j are written as %s", (names, expected) => {
  expect(formatNames(names)).toBe(expected);
});
