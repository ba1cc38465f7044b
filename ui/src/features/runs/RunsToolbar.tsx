import { Button } from "@mantine/core";
import { ArrowUp } from "lucide-react";
import { lazy, Suspense } from "react";
import { BulkActions } from "./bulk/BulkActions";
import type { BulkTarget } from "./bulk/bulkRequest";
import type { RunList } from "./model/runList";
import classes from "./Runs.module.css";
import { RUN_COLUMNS } from "./runColumns";
import { strings } from "./strings";

const ColumnPicker = lazy(() => import("@/ui/table/ColumnPicker"));

const PICKED = RUN_COLUMNS.filter(({ id }) => id !== "pipeline").map(({ id }) => ({
  id,
  label: strings.columns[id],
}));

type Props = {
  list: RunList;
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
  const { list, onShowWaiting, target, onSelectAll, onClear, shown, onShownChange } = props;
  return (
    <div className={classes.toolbar}>
      {target === null ? (
        <span className={classes.count}>{strings.shown(list.rows.length, list.next === null)}</span>
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
