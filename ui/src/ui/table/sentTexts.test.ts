import { expect, test } from "vitest";
import { stillSent } from "./sentTexts";

test("a text that arrives late is that of the field, also after the next one was sent", () => {
  expect(stillSent(["inv", "invo"], "inv")).toEqual(["invo"]);
  expect(stillSent(["invo"], "invo")).toEqual([]);
});

test("a text that a later one has replaced is not awaited", () => {
  expect(stillSent(["inv", "invo", "invoi"], "invo")).toEqual(["invoi"]);
});

test("another text is a change without the field", () => {
  expect(stillSent(["inv"], "")).toBeNull();
  expect(stillSent([], "inv")).toBeNull();
});
