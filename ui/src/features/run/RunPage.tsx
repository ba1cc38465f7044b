import { useSuspenseQuery } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useCallback, useMemo, useState } from "react";
import { runQuery } from "@/api/run";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TableSkeleton, TextSkeleton } from "@/ui/feedback/Skeletons";
import { rowKey } from "./model/rows";
import { RunHeader } from "./RunHeader";
import classes from "./RunPage.module.css";
import { searchFor, selectionOf, useRunSearch } from "./search";
import { strings } from "./strings";
import { StepTree } from "./tree/StepTree";
import { useFollowedRun } from "./useFollowedRun";
import { StoreContext, useLoading } from "./useRun";
import { useRunKeys } from "./useRunKeys";

const FailureBanner = lazy(() => import("./FailureBanner"));
const Inspector = lazy(() => import("./inspector/Inspector"));
const RunPanels = lazy(() => import("./panels/RunPanels"));
const RetryDialog = lazy(() => import("./retry/RetryDialog"));

/** One run: its facts, its steps with their times, the details of one of them, and its data. */
export function RunPage({ runId }: { runId: string }) {
  const { data: run } = useSuspenseQuery(runQuery(runId));
  const store = useFollowedRun(run);
  const [search, setSearch] = useRunSearch();
  /** The step from which the dialog proposes to retry. Null: the dialog is closed. */
  const [retryFrom, setRetryFrom] = useState<string | null>(null);
  const selection = useMemo(() => selectionOf(search), [search]);
  const selectedKey = selection === null ? null : rowKey(selection);
  const isOpen = selection !== null;
  const select = useCallback(
    (key: string | null) => {
      const row = key === null ? undefined : store.row(key);
      if (key === null || row !== undefined) setSearch(searchFor(row ?? null), !isOpen);
    },
    [store, setSearch, isOpen],
  );
  useRunKeys(run, {
    onRetry: () => setRetryFrom("start"),
    onClose: isOpen ? () => select(null) : null,
  });
  return (
    <StoreContext value={store}>
      <RunHeader run={run} onRetry={setRetryFrom} />
      {run.error !== null && (
        <Suspense fallback={null}>
          <FailureBanner selectedKey={selectedKey} onSelect={select} />
        </Suspense>
      )}
      <div className={classes.split} data-open={isOpen}>
        <Steps>
          <StepTree run={run} selectedKey={selectedKey} onSelect={select} />
        </Steps>
        {selection !== null && (
          <Suspense fallback={<TextSkeleton lines={8} />}>
            <Inspector
              key={selectedKey}
              run={run}
              selection={selection}
              onClose={() => select(null)}
              onFork={setRetryFrom}
            />
          </Suspense>
        )}
      </div>
      <Suspense fallback={<TableSkeleton columns={4} rows={3} />}>
        <RunPanels run={run} />
      </Suspense>
      {retryFrom !== null && (
        <Suspense fallback={null}>
          <RetryDialog run={run} from={retryFrom} onClose={() => setRetryFrom(null)} />
        </Suspense>
      )}
    </StoreContext>
  );
}

function Steps({ children }: { children: ReactNode }) {
  const { hasSteps, failure } = useLoading();
  if (failure !== null) return <ErrorState error={failure} title={strings.stepsNotLoaded} />;
  if (!hasSteps) return <TableSkeleton columns={2} rows={6} />;
  return children;
}
