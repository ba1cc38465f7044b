import { Button, SegmentedControl } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useCan } from "@/api/access";
import { isFinal, type Run, type StepDetail, type StepKey, stepQuery } from "@/api/run";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { StatusBadge } from "@/ui/StatusBadge";
import { FailureBox } from "../inspector/FailureBox";
import { attemptsOf, type Tab, tabsFor } from "../inspector/kinds";
import { Note } from "../inspector/parts";
import { strings as texts } from "../inspector/strings";
import { TabContent } from "../inspector/TabContent";
import { RunLink } from "../links";
import { hasEnded, rowKey } from "../model/rows";
import { useRunSearch } from "../search";
import { strings as runStrings } from "../strings";
import { useLoading, useRow } from "../useRun";
import { Details } from "./Details";
import classes from "./Details.module.css";
import { strings } from "./strings";

/** Calls begin without an event, so the details of a step that runs are read again. */
const RUNNING_MS = 2000;

type Props = {
  run: Run;
  selection: StepKey;
  onClose: () => void;
  onFork: (from: string) => void;
};

/** The details of one execution of a step. */
export default function StepDetails({ run, selection, onClose, onFork }: Props) {
  const [search, setSearch] = useRunSearch();
  const row = useRow(rowKey(selection));
  const { isComplete } = useLoading();
  const canFork = useCan("pipelines:execute") && isFinal(run.status);
  const version = row === undefined ? "" : `${row.status} ${row.attempt} ${row.attempts}`;
  const isRunning = row !== undefined && !hasEnded(row);
  const { data, error, refetch } = useQuery({
    ...stepQuery(run.id, selection, version),
    enabled: row !== undefined,
    placeholderData: keepPreviousData,
    refetchInterval: isRunning ? RUNNING_MS : false,
  });
  const tabs = tabsFor(data?.type ?? row?.type ?? "");
  const tab = tabs.find((each) => each === search.tab) ?? (tabs[0] as Tab);
  return (
    <Details
      label={strings.step(selection.step_id)}
      head={
        <>
          {row && <StatusBadge status={row.status} />}
          <h2 className={classes.title} dir="auto">
            {row?.name ?? selection.step_id}
          </h2>
          <code className={`mono ${classes.type}`}>{row?.type}</code>
        </>
      }
      actions={
        canFork &&
        row !== undefined && (
          <Button variant="default" size="compact-sm" onClick={() => onFork(selection.step_id)}>
            {runStrings.fork}
          </Button>
        )
      }
      onClose={onClose}
      tabs={tabs}
      tab={tab}
      texts={texts.tabs}
      onTab={(next) => setSearch({ tab: next })}
    >
      {row === undefined && isComplete && <Note>{texts.notStarted}</Note>}
      {data === undefined && error === null && row !== undefined && <TextSkeleton lines={6} />}
      {data === undefined && error !== null && (
        <ErrorState error={error} title={texts.notLoaded} onRetry={() => void refetch()} />
      )}
      {data !== undefined && <Content run={run} detail={data} tab={tab} isRunning={isRunning} />}
    </Details>
  );
}

type ContentProps = {
  run: Run;
  detail: StepDetail;
  tab: Tab;
  isRunning: boolean;
};

function Content({ run, detail, tab, isRunning }: ContentProps) {
  const [search, setSearch] = useRunSearch();
  const attempts = attemptsOf(detail);
  const attempt = attempts.find((each) => each === search.attempt) ?? attempts.at(-1);
  return (
    <>
      {detail.error !== null && <FailureBox run={run} detail={detail} />}
      {detail.is_reused && (
        <Note>
          {texts.reused}.{" "}
          {detail.executed_in === null ? (
            texts.executedDeleted
          ) : (
            <>
              {texts.executedIn} <RunLink runId={detail.executed_in} />.
            </>
          )}
        </Note>
      )}
      {attempts.length > 1 && tab !== "attempts" && tab !== "logs" && (
        <SegmentedControl
          size="xs"
          className={classes.switch}
          value={String(attempt)}
          onChange={(next) => setSearch({ attempt: Number(next) })}
          data={attempts.map((each) => ({ value: String(each), label: texts.attempt(each) }))}
        />
      )}
      <TabContent run={run} detail={detail} tab={tab} attempt={attempt} isRunning={isRunning} />
    </>
  );
}
