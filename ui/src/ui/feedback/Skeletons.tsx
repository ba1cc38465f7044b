import { Skeleton } from "@mantine/core";
import classes from "./Skeletons.module.css";

const WIDTHS = ["62%", "48%", "80%", "36%", "70%", "54%"];

function widthOf(index: number): string {
  return WIDTHS[index % WIDTHS.length] ?? "60%";
}

/** The shape of a table while its rows load. */
export function TableSkeleton({ columns, rows = 8 }: { columns: number; rows?: number }) {
  return (
    <div className={classes.table} aria-hidden>
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className={classes.row}>
          {Array.from({ length: columns }, (_, column) => (
            <div key={column} className={classes.cell}>
              <Skeleton height={12} width={widthOf(row + column * 2)} />
            </div>
          ))}
        </div>
      ))}
    </div>
  );
}

/** The shape of a text while it loads. */
export function TextSkeleton({ lines = 4 }: { lines?: number }) {
  return (
    <div className={classes.text} aria-hidden>
      {Array.from({ length: lines }, (_, line) => (
        <Skeleton key={line} height={12} width={widthOf(line)} />
      ))}
    </div>
  );
}

/** The shape of a page with a title and a table, while the page loads. */
export function PageSkeleton() {
  return (
    <div role="status" aria-label="Loading" className={classes.page}>
      <Skeleton height={24} width={180} />
      <TableSkeleton columns={5} />
    </div>
  );
}
