import type { ReactNode } from "react";
import type { Visibility } from "./visibility";

export type Column<Row> = Visibility & {
  id: string;
  header: ReactNode;
  /** Nothing (null, false or "") where a row has no value. A column without any value is not shown. */
  cell: (row: Row) => ReactNode;
  /** CSS width, such as "120px" or "20%". Without widths, columns share the space by their content. */
  width?: string;
  /** Takes the room that the others leave. Its cells cut what does not fit. */
  grows?: boolean;
  /** Numbers are aligned to the end. */
  align?: "start" | "end";
};

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
