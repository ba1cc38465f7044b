import { expect, test } from "vitest";
import { toggleRow } from "./selection";

const IDS = ["a", "b", "c", "d"];

test("a row is switched on and off", () => {
  const on = toggleRow(new Set(), IDS, "b", null, false);
  expect([...on]).toEqual(["b"]);
  expect([...toggleRow(on, IDS, "b", "b", false)]).toEqual([]);
});

test("a range goes from the row before, in both directions", () => {
  expect([...toggleRow(new Set(["b"]), IDS, "d", "b", true)]).toEqual(["b", "c", "d"]);
  expect([...toggleRow(new Set(["d"]), IDS, "b", "d", true)].sort()).toEqual(["b", "c", "d"]);
});

test("a range without a row before, or after it has left the table, is one row", () => {
  expect([...toggleRow(new Set(), IDS, "c", null, true)]).toEqual(["c"]);
  expect([...toggleRow(new Set(), IDS, "c", "gone", true)]).toEqual(["c"]);
});

test("a range from a selected end removes the rows", () => {
  const all = new Set(IDS);
  expect([...toggleRow(all, IDS, "c", "b", true)]).toEqual(["a", "d"]);
});
