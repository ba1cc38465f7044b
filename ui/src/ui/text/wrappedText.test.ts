import { describe, expect, test } from "vitest";
import { WrappedText } from "./wrappedText";

function rows(text: string, columns: number) {
  const wrapped = new WrappedText(text, columns);
  return Array.from({ length: wrapped.rowCount }, (_, index) => wrapped.row(index));
}

describe("WrappedText", () => {
  test("divides lines into rows and numbers the lines", () => {
    expect(rows("abcdefg\n\nhi\n", 3)).toEqual([
      { text: "abc", line: 1 },
      { text: "def", line: null },
      { text: "g", line: null },
      { text: "", line: 2 },
      { text: "hi", line: 3 },
      { text: "", line: 4 },
    ]);
  });

  test("a line that fills its rows has no empty row after it", () => {
    expect(rows("abcdef\ngh", 3).map(({ text }) => text)).toEqual(["abc", "def", "gh"]);
  });

  test("an empty text has one row", () => {
    expect(rows("", 80)).toEqual([{ text: "", line: 1 }]);
  });

  test("no character is cut in two or lost", () => {
    const text = "a😀b😀😀\r\nc😀";

    const found = rows(text, 2).map((row) => row.text);

    expect(found.join("")).toBe("a😀b😀😀c😀");
    expect(found.every((row) => row.isWellFormed())).toBe(true);
  });

  test("finds the row of a character", () => {
    const wrapped = new WrappedText("abcdef\ngh", 3);

    expect([0, 2, 3, 6, 7, 8].map((offset) => wrapped.rowAt(offset))).toEqual([0, 0, 1, 1, 2, 2]);
  });

  test("wraps one line of 5 MB", () => {
    const wrapped = new WrappedText("x".repeat(5_000_000), 120);

    expect(wrapped.rowCount).toBe(Math.ceil(5_000_000 / 120));
    expect(wrapped.row(40_000).text).toHaveLength(120);
  });
});
