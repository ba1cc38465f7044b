import classes from "./DataTable.module.css";

/** Widths of a table, in pixels, from which columns can be shown. */
const FROM = {
  440: classes.from440,
  720: classes.from720,
  960: classes.from960,
  1120: classes.from1120,
} as const;

export type Visibility = {
  /** Hide the column on screens below 768 px. */
  wideOnly?: boolean;
  /** Hide the column while the table is narrower than this. */
  from?: keyof typeof FROM;
};

/** The class of the cells of a column. */
export function visibilityClass({ wideOnly, from }: Visibility): string | undefined {
  if (from !== undefined) return FROM[from];
  return wideOnly ? classes.wide : undefined;
}
