import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, type ReactNode, useRef } from "react";
import { type Column, filledColumns } from "./columns";
import { DataRow } from "./DataRow";
import classes from "./DataTable.module.css";
import type { TableSelection } from "./selection";
import { useActiveRow } from "./useActiveRow";
import { useSelection } from "./useSelection";
import { visibilityClass } from "./visibility";

type Props<Row> = {
  /** Accessible name of the table: "Runs". */
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  /** A stable id of a row. Rows with the same id keep their focus and their place. */
  rowId: (row: Row) => string;
  /** A click on a row, or Enter. Put a link into the first cell as well, so that a row can open in a new tab. */
  onOpen?: (row: Row) => void;
  /** The row whose details are shown beside the table. */
  selectedId?: string | null;
  /** Adds boxes that select rows, and the keys x and X. */
  selection?: TableSelection<Row>;
  /** Register j, k and Enter for the whole page. One table on a page can have this. */
  hasKeys?: boolean;
  /** Below the last row: a button that loads more. */
  footer?: ReactNode;
};

const ROW_HEIGHT = 32;
/** Shorter tables are rendered whole, so that the browser's search finds all rows. */
const VIRTUAL_FROM = 200;
const OVERSCAN = 12;

/** A real table with rows of 32 px. Long ones mount only the rows on the screen. */
export function DataTable<Row>(props: Props<Row>) {
  const { label, rows, rowId, onOpen, selectedId, hasKeys = false, footer } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const isVirtual = rows.length >= VIRTUAL_FROM;
  const virtualizer = useVirtualizer({
    count: isVirtual ? rows.length : 0,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: OVERSCAN,
    getItemKey: (index) => rowId(rows[index] as Row),
  });
  const active = useActiveRow({
    ids: rows.map(rowId),
    label,
    hasKeys,
    onOpen: (index) => onOpen?.(rows[index] as Row),
    scrollTo: (index) => isVirtual && virtualizer.scrollToIndex(index),
    scroller,
  });
  const boxes = useSelection({ rows, rowId, selection: props.selection, activeId: active.id });
  const filled = filledColumns(props.columns, rows);
  const columns = boxes === null ? filled : [boxes, ...filled];
  const share = `${100 / columns.filter((column) => column.grows).length}%`;
  const items = virtualizer.getVirtualItems();
  const first = isVirtual ? (items[0]?.index ?? 0) : 0;
  const last = isVirtual ? (items.at(-1)?.index ?? -1) : rows.length - 1;
  const above = isVirtual ? (items[0]?.start ?? 0) : 0;
  const below = isVirtual ? virtualizer.getTotalSize() - (items.at(-1)?.end ?? 0) : 0;
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    active.move(event.key === "ArrowDown" ? 1 : -1);
  };
  return (
    <div
      ref={scroller}
      className={classes.scroller}
      data-virtual={isVirtual}
      tabIndex={rows.length > 0 ? -1 : 0}
    >
      <table className={classes.table} aria-label={label} aria-rowcount={rows.length + 1}>
        <colgroup>
          {columns.map((column) => (
            <col
              key={column.id}
              style={{ width: column.grows ? share : column.width }}
              className={visibilityClass(column)}
            />
          ))}
        </colgroup>
        <thead>
          <tr>
            {columns.map((column) => (
              <th
                key={column.id}
                scope="col"
                data-align={column.align}
                className={visibilityClass(column)}
              >
                {column.header}
              </th>
            ))}
          </tr>
        </thead>
        <tbody onKeyDown={onKeyDown}>
          {above > 0 && <tr aria-hidden style={{ height: above }} />}
          {rows.slice(first, last + 1).map((row, offset) => {
            const id = rowId(row);
            return (
              <DataRow
                key={id}
                id={id}
                row={row}
                index={first + offset}
                columns={columns}
                isActive={id === active.id}
                isSelected={id === selectedId}
                onFocus={active.setId}
                onOpen={onOpen}
              />
            );
          })}
          {below > 0 && <tr aria-hidden style={{ height: below }} />}
        </tbody>
      </table>
      {footer && <div className={classes.footer}>{footer}</div>}
    </div>
  );
}
