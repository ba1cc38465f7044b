import type { Column } from "./DataTable";

/** The columns that have a value in at least one of the rows. Without rows, all of them. */
export function filledColumns<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): readonly Column<Row>[] {
  if (rows.length === 0) return columns;
  return columns.filter(({ cell }) => rows.some((row) => !isNothing(cell(row))));
}

function isNothing(value: unknown): boolean {
  return value === null || value === undefined || value === false || value === "";
}
