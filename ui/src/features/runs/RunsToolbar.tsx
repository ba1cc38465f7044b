import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ArrowUp } from "lucide-react";
import { lazy, Suspense } from "react";
import type { RunFilter } from "@/api/runs";
import { BulkActions } from "./bulk/BulkActions";
import type { BulkTarget } from "./bulk/bulkRequest";
import type { RunList } from "./model/runList";
import classes from "./Runs.module.css";
import { RUN_COLUMNS } from "./runColumns";
import { runCountQuery } from "./runListQuery";
import { strings } from "./strings";

const ColumnPicker = lazy(() => import("@/ui/table/ColumnPicker"));

const PICKED = RUN_COLUMNS.filter(({ id }) => id !== "pipeline").map(({ id }) => ({
  id,
  label: strings.columns[id],
}));

type Props = {
  list: RunList;
  filter: RunFilter;
  onShowWaiting: () => void;
  /** The selected runs. Null: none. */
  target: BulkTarget | null;
  onSelectAll?: () => void;
  onClear: () => void;
  shown: readonly string[];
  onShownChange: (columns: string[]) => void;
};

/** Above the rows: how many there are, the new ones that wait, the actions on the selected ones, the columns. */
export function RunsToolbar(props: Props) {
  const { list, filter, onShowWaiting, target, onSelectAll, onClear, shown, onShownChange } = props;
  const total = useTotal(list, filter);
  return (
    <div className={classes.toolbar}>
      {target === null ? (
        <span className={classes.count}>
          {total === null
            ? strings.shown(list.rows.length, list.next === null)
            : strings.newestOf(list.rows.length, total.count, total.hasMore)}
        </span>
      ) : (
        <BulkActions target={target} onSelectAll={onSelectAll} onClear={onClear} />
      )}
      <div aria-live="polite">
        {list.waiting.length > 0 && (
          <Button
            variant="light"
            leftSection={<ArrowUp size={16} aria-hidden />}
            onClick={onShowWaiting}
          >
            {strings.newRuns(list.waiting.length)}
          </Button>
        )}
      </div>
      <div className={classes.end}>
        <Suspense>
          <ColumnPicker columns={PICKED} shown={shown} onChange={onShownChange} />
        </Suspense>
      </div>
    </div>
  );
}

/** How many runs the list has. Null if it shows all of them, or if they were not counted. */
function useTotal({ rows, next }: RunList, filter: RunFilter) {
  const { data } = useQuery({ ...runCountQuery(filter), enabled: next !== null });
  const count = data?.count ?? null;
  if (next === null || count === null || count <= rows.length) return null;
  return { count, hasMore: data?.has_more === true };
}
