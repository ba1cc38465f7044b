import { Anchor } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type LinkedRun, type LinkedStep, linkedRunQuery } from "@/api/runLink";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { formatExact } from "@/ui/format/times";
import { Duration } from "@/ui/format/Values";
import { StatusBadge } from "@/ui/StatusBadge";
import { visible } from "@/ui/text/visible";
import { LinkPage, LinkProblem } from "./LinkPage";
import classes from "./LinkPage.module.css";
import { errorOf, outcome, placeOf, reason } from "./linkedRunTexts";
import { strings } from "./strings";
import { useLinkToken } from "./useLinkToken";

/** The state of one run for the holder of a link, who needs no account. It has no inputs and no outputs. */
export function LinkedRunPage() {
  const { token } = useLinkToken();
  if (token === null) {
    return (
      <LinkPage title={strings.run}>
        <LinkProblem title={strings.incomplete}>{strings.incompleteText}</LinkProblem>
      </LinkPage>
    );
  }
  return <Opened key={token} token={token} />;
}

function Opened({ token }: { token: string }) {
  const { data, error, refetch } = useQuery(linkedRunQuery(token));
  if (data !== undefined) return <Shown run={data} />;
  return (
    <LinkPage title={strings.run}>
      {error === null ? (
        <TextSkeleton lines={8} />
      ) : (
        <LinkProblem title={strings.failed} error={error} onRetry={() => void refetch()} />
      )}
    </LinkPage>
  );
}

function Shown({ run }: { run: LinkedRun }) {
  const error = errorOf(run);
  const started = formatExact(new Date(run.started_at ?? run.created_at));
  return (
    <LinkPage title={run.pipeline_name} tab={`${run.pipeline_name}, ${strings.run}`}>
      <div role="status">
        <StatusBadge status={run.status} />
        <p className={classes.text}>{outcome(run)}</p>
      </div>
      {error !== null && (
        <section aria-label={strings.whatFailed}>
          <h2 className={classes.heading}>{strings.whatFailed}</h2>
          <pre className={classes.error} dir="auto">
            {visible(error.message)}
          </pre>
          <p className={classes.dimmed}>
            {strings.code}{" "}
            <Anchor href={`/docs/errors#${error.code}`} className="mono">
              {error.code}
            </Anchor>
          </p>
        </section>
      )}
      <Steps run={run} />
      {run.more_steps && <p className={classes.dimmed}>{strings.more}</p>}
      <p className={classes.dimmed}>{strings.about(run.id, run.pipeline_version, started)}</p>
      <p className={classes.dimmed}>{strings.until(formatExact(new Date(run.link_expires_at)))}</p>
      <p className={classes.text}>
        <Anchor
          renderRoot={(props) => <Link to="/runs/$runId" params={{ runId: run.id }} {...props} />}
        >
          {strings.openRun}
        </Anchor>
      </p>
    </LinkPage>
  );
}

function Steps({ run }: { run: LinkedRun }) {
  return (
    <section aria-label={strings.steps} className={classes.scroll}>
      <h2 className={classes.heading}>{strings.steps}</h2>
      <table className={classes.steps} aria-label={strings.steps}>
        <thead>
          <tr>
            {strings.columns.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {run.steps.map((step) => (
            <Step key={`${step.step_id}/${step.branch}/${step.iteration}`} step={step} run={run} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Step({ step, run }: { step: LinkedStep; run: LinkedRun }) {
  return (
    <tr>
      <td>{placeOf(step)}</td>
      <td>
        <StatusBadge status={step.status} />
      </td>
      <td>
        <Duration ms={step.duration_ms} />
      </td>
      <td>{visible(reason(step, run))}</td>
    </tr>
  );
}
