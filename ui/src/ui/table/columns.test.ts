import { expect, test } from "vitest";
import type { Column } from "./columns";
import { filledColumns } from "./columns";

type Row = { name: string; tag: string | null };
const COLUMNS: Column<Row>[] = [
  { id: "name", header: "Name", cell: ({ name }) => name },
  { id: "tag", header: "Tag", cell: ({ tag }) => tag },
];
const shown = (rows: Row[]) => filledColumns(COLUMNS, rows).map(({ id }) => id);

test("a column is shown from its first value on", () => {
  expect(shown([{ name: "a", tag: null }])).toEqual(["name"]);
  expect(
    shown([
      { name: "a", tag: null },
      { name: "b", tag: "x" },
    ]),
  ).toEqual(["name", "tag"]);
  expect(shown([])).toEqual(["name", "tag"]);
});
