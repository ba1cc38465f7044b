import { useRef } from "react";
import { useKeys } from "../keys/useKeys";
import type { Column } from "./columns";
import classes from "./DataTable.module.css";
import { type TableSelection, toggleRow } from "./selection";

type Options<Row> = {
  rows: readonly Row[];
  rowId: (row: Row) => string;
  selection: TableSelection<Row> | undefined;
  activeId: string | null;
};

/** The column of boxes that select rows, and the keys x and X. Null: the table has no selection. */
export function useSelection<Row>(options: Options<Row>): Column<Row> | null {
  const { rows, rowId, selection, activeId } = options;
  const anchor = useRef<string | null>(null);
  const ids = rows.map(rowId);
  const toggle = (id: string | null, isRange: boolean) => {
    if (selection === undefined || id === null) return;
    selection.onChange(toggleRow(selection.ids, ids, id, anchor.current, isRange));
    anchor.current = id;
  };
  useKeys(
    "Selection",
    selection === undefined
      ? []
      : [
          { key: "x", label: "Select the row", run: () => toggle(activeId, false) },
          { key: "X", label: "Select the rows up to this one", run: () => toggle(activeId, true) },
          ...(selection.ids.size === 0
            ? []
            : [
                { key: "Escape", label: "Select no row", run: () => selection.onChange(new Set()) },
              ]),
        ],
  );
  if (selection === undefined) return null;
  const selected = ids.filter((id) => selection.ids.has(id)).length;
  const hasAll = selected === ids.length && ids.length > 0;
  return {
    id: "select",
    width: "40px",
    header: (
      <input
        type="checkbox"
        className={classes.box}
        aria-label="Select all rows"
        checked={hasAll}
        ref={(box) => {
          if (box) box.indeterminate = selected > 0 && !hasAll;
        }}
        onChange={() => selection.onChange(new Set(hasAll ? [] : ids))}
      />
    ),
    cell: (row) => (
      <input
        type="checkbox"
        className={classes.box}
        aria-label={`Select ${selection.nameOf(row)}`}
        checked={selection.ids.has(rowId(row))}
        tabIndex={-1}
        onChange={({ nativeEvent }) =>
          toggle(rowId(row), nativeEvent instanceof MouseEvent && nativeEvent.shiftKey)
        }
      />
    ),
  };
}
