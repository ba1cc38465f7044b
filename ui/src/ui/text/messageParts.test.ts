import { expect, test } from "vitest";
import { messageParts } from "./messageParts";

test("what stands between backquotes is code", () => {
  expect(messageParts("Unknown field `nane`. Did you mean `name`?")).toEqual([
    { text: "Unknown field ", isCode: false },
    { text: "nane", isCode: true },
    { text: ". Did you mean ", isCode: false },
    { text: "name", isCode: true },
    { text: "?", isCode: false },
  ]);
});

test.each(["A single ` is a character.", "Two `` are characters.", ""])(
  "%j has no code",
  (text) => {
    expect(
      messageParts(text)
        .map((part) => part.text)
        .join(""),
    ).toBe(text);
    expect(messageParts(text).some(({ isCode }) => isCode)).toBe(false);
  },
);
