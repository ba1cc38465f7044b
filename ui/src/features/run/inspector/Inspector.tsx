import { ActionIcon, Button, SegmentedControl, Tabs } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useEffect, useRef } from "react";
import { useCan } from "@/api/access";
import { isFinal, type Run, type StepDetail, type StepKey, stepQuery } from "@/api/run";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { StatusBadge } from "@/ui/StatusBadge";
import { RunLink } from "../links";
import { hasEnded, rowKey } from "../model/rows";
import { useRunSearch } from "../search";
import { strings as runStrings } from "../strings";
import { useLoading, useRow } from "../useRun";
import { FailureBox } from "./FailureBox";
import classes from "./Inspector.module.css";
import { attemptsOf, type Tab, tabsFor } from "./kinds";
import { Note } from "./parts";
import { strings } from "./strings";
import { TabContent } from "./TabContent";

/** Calls begin without an event, so the details of a step that runs are read again. */
const RUNNING_MS = 2000;

type Props = {
  run: Run;
  selection: StepKey;
  onClose: () => void;
  onFork: (from: string) => void;
};

/** The details of one execution of a step. */
export default function Inspector({ run, selection, onClose, onFork }: Props) {
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
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    // On narrow screens, the details are below the steps.
    const isBeside = window.matchMedia("(min-width: 64em)").matches;
    if (!isBeside) section.current?.scrollIntoView({ block: "nearest" });
  }, []);
  return (
    <section
      ref={section}
      className={classes.inspector}
      aria-label={strings.label(selection.step_id)}
    >
      <div className={classes.top}>
        {row && <StatusBadge status={row.status} />}
        <h2 className={classes.title} dir="auto">
          {row?.name ?? selection.step_id}
        </h2>
        <code className="mono dimmed">{row?.type}</code>
        <span className={classes.actions}>
          {canFork && row !== undefined && (
            <Button variant="default" size="compact-sm" onClick={() => onFork(selection.step_id)}>
              {runStrings.fork}
            </Button>
          )}
        </span>
        <ActionIcon size={24} aria-label={strings.close} onClick={onClose}>
          <X size={14} aria-hidden />
        </ActionIcon>
      </div>
      <div className={classes.panel}>
        {row === undefined && isComplete && (
          <div className={classes.body}>
            <Note>{strings.notStarted}</Note>
          </div>
        )}
        {data === undefined && error === null && row !== undefined && (
          <div className={classes.body}>
            <TextSkeleton lines={6} />
          </div>
        )}
        {data === undefined && error !== null && (
          <ErrorState error={error} title={strings.notLoaded} onRetry={() => void refetch()} />
        )}
        {data !== undefined && <Details run={run} detail={data} isRunning={isRunning} />}
      </div>
    </section>
  );
}

type DetailsProps = {
  run: Run;
  detail: StepDetail;
  isRunning: boolean;
};

function Details({ run, detail, isRunning }: DetailsProps) {
  const [search, setSearch] = useRunSearch();
  const tabs = tabsFor(detail.type);
  const tab = tabs.find((each) => each === search.tab) ?? (tabs[0] as Tab);
  const attempts = attemptsOf(detail);
  const attempt = attempts.find((each) => each === search.attempt) ?? attempts.at(-1);
  return (
    <>
      {detail.error !== null && (
        <div className={classes.body}>
          <FailureBox run={run} detail={detail} />
        </div>
      )}
      {detail.is_reused && (
        <div className={classes.body}>
          <Note>
            {strings.reused}.{" "}
            {detail.executed_in === null ? (
              strings.executedDeleted
            ) : (
              <>
                {strings.executedIn} <RunLink runId={detail.executed_in} />.
              </>
            )}
          </Note>
        </div>
      )}
      <Tabs
        value={tab}
        onChange={(next) => setSearch({ tab: next ?? undefined })}
        keepMounted={false}
      >
        <Tabs.List className={classes.tabs}>
          {tabs.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {strings.tabs[each]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={tab}>
          <div className={classes.body}>
            {attempts.length > 1 && tab !== "attempts" && tab !== "logs" && (
              <SegmentedControl
                size="xs"
                className={classes.switch}
                value={String(attempt)}
                onChange={(next) => setSearch({ attempt: Number(next) })}
                data={attempts.map((each) => ({
                  value: String(each),
                  label: strings.attempt(each),
                }))}
              />
            )}
            <TabContent
              run={run}
              detail={detail}
              tab={tab}
              attempt={attempt}
              isRunning={isRunning}
            />
          </div>
        </Tabs.Panel>
      </Tabs>
    </>
  );
}
