/** The rows of a table that are selected for an action, by id. */
export type TableSelection<Row> = {
  ids: ReadonlySet<string>;
  onChange: (ids: ReadonlySet<string>) => void;
  /** The row for assistive technology: "run of Weekly brief". Its box is named "Select run of Weekly brief". */
  nameOf: (row: Row) => string;
};

/**
 * The selection after a row was switched.
 *
 * @param anchor the row that was switched before. Null: none.
 * @param isRange whether all rows from the anchor to this one get the new state of this one.
 */
export function toggleRow(
  selected: ReadonlySet<string>,
  ids: readonly string[],
  id: string,
  anchor: string | null,
  isRange: boolean,
): ReadonlySet<string> {
  const next = new Set(selected);
  const from = isRange && anchor !== null ? ids.indexOf(anchor) : -1;
  const to = ids.indexOf(id);
  const range = from === -1 ? [id] : ids.slice(Math.min(from, to), Math.max(from, to) + 1);
  for (const each of range) {
    if (selected.has(id)) next.delete(each);
    else next.add(each);
  }
  return next;
}
