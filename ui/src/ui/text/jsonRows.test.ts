import { expect, test } from "vitest";
import { initiallyExpanded, jsonRows } from "./jsonRows";

const summary = (value: unknown, ...open: string[]) =>
  jsonRows(value, new Set(open)).map(({ level, name, text }) => `${level} ${name} ${text}`);

test("only opened values are listed", () => {
  const value = { a: { b: [1, null] }, c: "x" };

  expect(summary(value)).toEqual(["1 null { 2 fields }"]);
  expect(summary(value, "", "/a")).toEqual([
    "1 null { 2 fields }",
    "2 a { 1 field }",
    "3 b [ 2 items ]",
    '2 c "x"',
  ]);
});

test("a large array is divided into ranges, and its items keep their own paths", () => {
  const value = Array.from({ length: 2500 }, (_, index) => index);

  const rows = jsonRows(value, new Set(["", "/[2000-2499]"]));

  expect(rows.map(({ name }) => name).slice(0, 5)).toEqual([
    null,
    "[0-999]",
    "[1000-1999]",
    "[2000-2499]",
    "2000",
  ]);
  expect(rows).toHaveLength(4 + 500);
  expect(rows.at(-1)).toMatchObject({
    path: "/2499",
    level: 3,
    text: "2499",
    position: 500,
    siblings: 500,
  });
});

test("a long text is cut in its row", () => {
  const [row] = jsonRows("é".repeat(5_000_000), new Set());

  expect(row?.text.length).toBeLessThan(350);
  expect(row?.text).toContain("5,000,000 characters");
});

test("names with slashes do not collide", () => {
  const rows = jsonRows({ "a/b": 1, a: { b: 2 } }, new Set(["", "/a"]));

  expect(new Set(rows.map(({ path }) => path)).size).toBe(rows.length);
});

test("empty values cannot be opened", () => {
  expect(jsonRows({}, new Set([""]))[0]).toMatchObject({ isExpandable: false, isExpanded: false });
});

test("small values are open at first, large ones closed", () => {
  expect(initiallyExpanded({ small: { a: 1 }, large: [1, 2, 3, 4, 5, 6] })).toEqual(
    new Set(["", "/small"]),
  );
});
