import { Anchor, Button } from "@mantine/core";
import { asApiError } from "@/api/errors";
import { type TestRun, useCancelTestRun } from "@/api/testRuns";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { toast } from "@/ui/feedback/toast";
import { formatDuration } from "@/ui/format/numbers";
import { StatusBadge, StatusIcon } from "@/ui/StatusBadge";
import { JsonTree } from "@/ui/text/JsonTree";
import { Message } from "@/ui/text/Message";
import { TextViewer } from "@/ui/text/TextViewer";
import { visible } from "@/ui/text/visible";
import classes from "./Panels.module.css";
import { strings } from "./strings";
import { isFinal, type TestStep } from "./testRunState";
import { useTestRun } from "./useTestRun";

/** A test run: its steps while they run, then the output. */
export function TestResult({ runId }: { runId: string }) {
  const { state, run, error } = useTestRun(runId);
  const cancel = useCancelTestRun();
  if (error && asApiError(error).status === 404) return null;
  const stop = () =>
    cancel.mutate(runId, { onError: (reason) => toast.failure(strings.stopFailed, reason) });
  return (
    <section className={classes.result} aria-label={strings.result}>
      <div className={classes.actions}>
        <span role="status" aria-label="Test">
          <StatusBadge status={state.status} />
        </span>
        <Anchor href={`/runs/${runId}`} target="_blank" size="sm">
          {strings.openRun}
        </Anchor>
        {!isFinal(state.status) && (
          <Button variant="default" size="compact-sm" loading={cancel.isPending} onClick={stop}>
            {strings.stop}
          </Button>
        )}
      </div>
      {error && <ErrorState error={error} />}
      <ol className={classes.steps} aria-label="Steps of the test">
        {state.steps.map((step) => (
          <Step key={step.key} step={step} run={run} />
        ))}
      </ol>
      {state.error && (
        <p className={classes.failure}>
          <Message text={state.error.message} />
        </p>
      )}
      {state.status === "completed" && run?.status === "completed" && (
        <Value value={run.output} label={strings.output} />
      )}
    </section>
  );
}

function Step({ step, run }: { step: TestStep; run: TestRun | undefined }) {
  const recorded = run?.steps.find(
    ({ step_id, branch, iteration }) => `${branch}/${step_id}/${iteration}` === step.key,
  );
  return (
    <li>
      <div className={classes.stepHead}>
        <StatusIcon status={step.status} label={step.status} />
        <code className={`mono ${classes.stepName}`}>{step.stepId}</code>
        {step.durationMs !== null && (
          <span className="numeric dimmed">{formatDuration(step.durationMs)}</span>
        )}
      </div>
      {step.status === "running" && step.text !== "" && (
        <div className={classes.live}>{visible(step.text)}</div>
      )}
      {step.error && (
        <p className={classes.failure}>
          <Message text={step.error.message} />
        </p>
      )}
      {step.status === "completed" && recorded && recorded.output !== null && (
        <Value value={recorded.output} label={`Output of ${step.stepId}`} />
      )}
    </li>
  );
}

function Value({ value, label }: { value: unknown; label: string }) {
  if (typeof value === "string") return <TextViewer text={value} label={label} maxHeight={200} />;
  return <JsonTree value={value} label={label} maxHeight={200} />;
}
