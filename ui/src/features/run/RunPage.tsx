import { useMediaQuery } from "@mantine/hooks";
import { useSuspenseQuery } from "@tanstack/react-query";
import {
  lazy,
  type ReactNode,
  Suspense,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { type Run, runQuery } from "@/api/run";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TableSkeleton, TextSkeleton } from "@/ui/feedback/Skeletons";
import { rowKey } from "./model/rows";
import { RunHeader } from "./RunHeader";
import classes from "./RunPage.module.css";
import { Split } from "./Split";
import { searchFor, selectionOf, useRunSearch } from "./search";
import { strings } from "./strings";
import { StepTree } from "./tree/StepTree";
import { useFirstFailure } from "./useFirstFailure";
import { useFollowedRun } from "./useFollowedRun";
import { StoreContext, useLoading, useStore } from "./useRun";
import { useRunKeys } from "./useRunKeys";

const StepDetails = lazy(() => import("./details/StepDetails"));
const RunDetails = lazy(() => import("./details/RunDetails"));
const RetryDialog = lazy(() => import("./retry/RetryDialog"));

/** From this width on, the details are beside the steps. The styles have the same number. */
const NARROW = "(max-width: 56.25em)";

/** One run: its facts, its steps with their times, and the details of one of them, or of the run itself. */
export function RunPage({ runId }: { runId: string }) {
  const { data: run } = useSuspenseQuery(runQuery(runId));
  return (
    <StoreContext value={useFollowedRun(run)}>
      <OpenRun run={run} />
    </StoreContext>
  );
}

function OpenRun({ run }: { run: Run }) {
  const store = useStore();
  const [search, setSearch] = useRunSearch();
  const isNarrow = useMediaQuery(NARROW, false, { getInitialValueInEffect: false });
  /** The step from which the dialog proposes to retry. Null: the dialog is closed. */
  const [retryFrom, setRetryFrom] = useState<string | null>(null);
  const selection = useMemo(() => selectionOf(search), [search]);
  const selectedKey = selection === null ? null : rowKey(selection);
  const isStep = selection !== null;
  const select = useCallback(
    (key: string) => {
      const row = store.row(key);
      if (row !== undefined) setSearch(searchFor(row), !isStep);
    },
    [store, setSearch, isStep],
  );
  const selectRun = useCallback(
    () => setSearch({ ...searchFor(null), panel: search.panel ?? "output" }, isNarrow),
    [setSearch, search.panel, isNarrow],
  );
  const showSteps = () => setSearch({ ...searchFor(null), panel: undefined });
  const isOver = isNarrow && (isStep || search.panel !== undefined);
  const close = isNarrow ? showSteps : selectRun;
  const isLooking = useFirstFailure((row) => setSearch(searchFor(row)));
  useRunKeys(run, {
    onRetry: () => setRetryFrom("start"),
    onClose: isStep || isOver ? close : null,
  });
  const tree = useRef<HTMLDivElement>(null);
  const wasOpen = useRef(false);
  useEffect(() => {
    // The focus was on what has been closed.
    const isClosed = wasOpen.current && !isStep && !isOver;
    if (isClosed && document.activeElement === document.body) tree.current?.focus();
    wasOpen.current = isStep || isOver;
  }, [isStep, isOver]);
  const details = () => {
    if (isLooking) return <TextSkeleton lines={8} />;
    if (selection === null)
      return <RunDetails run={run} onClose={isNarrow ? close : null} onSelect={select} />;
    return (
      <StepDetails
        key={selectedKey}
        run={run}
        selection={selection}
        onClose={close}
        onFork={setRetryFrom}
      />
    );
  };
  return (
    <div className={classes.page}>
      <RunHeader run={run} onRetry={setRetryFrom} />
      <Split
        left={
          <Steps>
            <StepTree
              run={run}
              scroller={tree}
              selectedKey={selectedKey}
              isRunSelected={!isStep && (isOver || !isNarrow)}
              onSelect={select}
              onSelectRun={selectRun}
            />
          </Steps>
        }
        right={
          isNarrow && !isOver ? null : (
            <Suspense fallback={<TextSkeleton lines={8} />}>{details()}</Suspense>
          )
        }
      />
      {retryFrom !== null && (
        <Suspense fallback={null}>
          <RetryDialog run={run} from={retryFrom} onClose={() => setRetryFrom(null)} />
        </Suspense>
      )}
    </div>
  );
}

function Steps({ children }: { children: ReactNode }) {
  const { hasSteps, failure } = useLoading();
  if (failure !== null) return <ErrorState error={failure} title={strings.stepsNotLoaded} />;
  if (!hasSteps) return <TableSkeleton columns={2} rows={6} />;
  return children;
}
