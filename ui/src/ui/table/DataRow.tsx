import type { KeyboardEvent, MouseEvent } from "react";
import type { Column } from "./columns";
import { visibilityClass } from "./visibility";

type Props<Row> = {
  id: string;
  row: Row;
  index: number;
  columns: readonly Column<Row>[];
  isActive: boolean;
  isSelected: boolean;
  onFocus: (id: string) => void;
  onOpen?: (row: Row) => void;
};

const CONTROLS = "a, button, input, label, select, textarea";

function isOnControl(event: MouseEvent | KeyboardEvent): boolean {
  return event.target instanceof Element && event.target.closest(CONTROLS) !== null;
}

export function DataRow<Row>(props: Props<Row>) {
  const { id, row, index, columns, isActive, isSelected, onFocus, onOpen } = props;
  const open = (event: MouseEvent) => {
    // A click at the end of a selection of text must not open the row.
    const hasSelection = (window.getSelection()?.toString() ?? "") !== "";
    if (!isOnControl(event) && !hasSelection) onOpen?.(row);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || isOnControl(event)) return;
    event.preventDefault();
    event.stopPropagation();
    onOpen?.(row);
  };
  return (
    <tr
      data-row={id}
      aria-rowindex={index + 2}
      aria-current={isSelected || undefined}
      tabIndex={isActive ? 0 : -1}
      data-openable={onOpen !== undefined}
      onClick={open}
      onKeyDown={onKeyDown}
      onFocus={() => onFocus(id)}
    >
      {columns.map((column) => (
        <td
          key={column.id}
          data-align={column.align}
          data-grows={column.grows}
          dir="auto"
          className={visibilityClass(column)}
        >
          {column.cell(row)}
        </td>
      ))}
    </tr>
  );
}
