import { expect, test } from "vitest";
import { tokenOf } from "./useLinkToken";

test.each([
  ["#abc_-1", "abc_-1"],
  ["abc", "abc"],
  ["#token=abc", "abc"],
])("%s contains a token", (hash, token) => {
  expect(tokenOf(hash)).toBe(token);
});

test.each(["", "#", "#token="])("%j contains no token", (hash) => {
  expect(tokenOf(hash)).toBeNull();
});
