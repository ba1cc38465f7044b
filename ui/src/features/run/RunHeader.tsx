import { Button } from "@mantine/core";
import { Copy } from "lucide-react";
import { lazy, type ReactNode, Suspense, useState } from "react";
import { useCan } from "@/api/access";
import { isFinal, type Run } from "@/api/run";
import { strings as runs } from "@/features/runs/strings";
import { shortId } from "@/ui/format/ids";
import { Duration, Money, RelativeTime, Tokens } from "@/ui/format/Values";
import { PageHeader } from "@/ui/PageHeader";
import { RunStatusBadge, TestTag } from "@/ui/StatusBadge";
import { CancelDialog } from "./CancelDialog";
import { copyText } from "./copyText";
import { PipelineLink, RunLink } from "./links";
import classes from "./RunPage.module.css";
import { strings } from "./strings";
import { useHead } from "./useRun";

const RunMenu = lazy(() => import("./RunMenu"));

type Props = { run: Run; onRetry: (from: string) => void };

/** Status, origin, time and cost of the run, and what a person can do with it. */
export function RunHeader({ run, onRetry }: Props) {
  const head = useHead() ?? { ...run, until: null };
  const hasEnded = isFinal(head.status);
  const canExecute = useCan("pipelines:execute");
  const [isCancelling, setCancelling] = useState(false);
  return (
    <PageHeader
      title={run.pipeline_name || strings.unnamed}
      tab={`\u2068${run.pipeline_name || strings.unnamed}\u2069 · ${shortId(run.id)}`}
      beside={
        <>
          <button
            type="button"
            className={classes.id}
            title={strings.copyId}
            onClick={() => void copyText(run.id)}
          >
            <bdi className="mono">{shortId(run.id)}</bdi>
            <Copy size={12} aria-hidden />
            <span className="visually-hidden">{strings.copyId}</span>
          </button>
          {run.is_draft && <TestTag />}
          <span role="status" aria-label={strings.status}>
            <RunStatusBadge status={head.status} failedSteps={run.failed_steps} />
          </span>
        </>
      }
      description={<Facts run={run} head={head} />}
      actions={
        <>
          {!hasEnded && canExecute && (
            <Button variant="default" onClick={() => setCancelling(true)}>
              {strings.cancel}
            </Button>
          )}
          {isCancelling && <CancelDialog runId={run.id} onClose={() => setCancelling(false)} />}
          {hasEnded && canExecute && (
            <Button
              variant="default"
              onClick={() => onRetry(head.status === "failed" ? "failed" : "start")}
            >
              {strings.retry}
            </Button>
          )}
          <Suspense fallback={null}>
            <RunMenu run={run} />
          </Suspense>
        </>
      }
    />
  );
}

type HeadFacts = Pick<Run, "status" | "started_at" | "completed_at"> & { until: string | null };

function Facts({ run, head }: { run: Run; head: HeadFacts }) {
  const started = head.started_at ?? run.started_at;
  const elapsed =
    started !== null && head.completed_at !== null
      ? Date.parse(head.completed_at) - Date.parse(started)
      : null;
  return (
    <dl className={classes.facts}>
      <Fact label={strings.pipeline}>
        <PipelineLink pipelineId={run.pipeline_id}>
          {run.is_draft ? strings.draft : strings.version(run.pipeline_version)}
        </PipelineLink>
      </Fact>
      <Fact label={strings.trigger}>
        {runs.triggers[run.trigger_type]}
        {run.caller?.name && (
          <>
            {" · "}
            <bdi>{run.caller.name}</bdi>
          </>
        )}
      </Fact>
      <Fact label={strings.started}>
        <RelativeTime time={started ?? run.created_at} />
      </Fact>
      <Fact label={strings.elapsed}>
        {started !== null && head.completed_at === null ? (
          <Duration since={started} />
        ) : (
          <Duration ms={elapsed} />
        )}
      </Fact>
      <Fact label={strings.tokens}>
        <Tokens count={run.total_tokens} />
      </Fact>
      <Fact label={strings.cost}>
        <Money micros={run.cost_usd_micros} complete={run.cost_complete} />
      </Fact>
      {head.status === "waiting" && head.until !== null && (
        <Fact label={strings.waitsUntil}>
          <RelativeTime time={head.until} />
        </Fact>
      )}
      {run.retry_of !== null && (
        <Fact label={strings.retryOf}>
          <RunLink runId={run.retry_of} />
          {run.reused !== null && `, ${strings.reusedSteps(run.reused.steps)}`}
        </Fact>
      )}
    </dl>
  );
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className={classes.fact}>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}
