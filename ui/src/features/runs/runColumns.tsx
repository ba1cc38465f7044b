import { Tooltip } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { Run } from "@/api/runs";
import { Money, RelativeTime, Tokens } from "@/ui/format/Values";
import { RunStatusBadge, runStatus, StatusIcon, TestTag } from "@/ui/StatusBadge";
import type { Column } from "@/ui/table/columns";
import { Message } from "@/ui/text/Message";
import { RunDuration } from "./RunDuration";
import classes from "./Runs.module.css";
import { strings } from "./strings";

const { columns: headers } = strings;
export type ColumnId = keyof typeof headers;

/** All columns of the list of runs, in their order. */
export const RUN_COLUMNS: readonly (Column<Run> & { id: ColumnId })[] = [
  {
    id: "status",
    header: headers.status,
    cell: ({ status, failed_steps: failedSteps }) => (
      <>
        <span className={classes.statusBadge}>
          <RunStatusBadge status={status} failedSteps={failedSteps} />
        </span>
        <span className={classes.statusIcon}>
          <StatusIcon {...runStatus({ status, failedSteps })} />
        </span>
      </>
    ),
  },
  {
    id: "pipeline",
    header: headers.pipeline,
    grows: true,
    cell: (run) => <PipelineCell run={run} />,
  },
  {
    id: "trigger",
    header: headers.trigger,
    from: 960,
    cell: ({ trigger_type, caller }) => (
      <span className={classes.trigger} title={caller?.name ?? undefined}>
        {strings.triggers[trigger_type]}
        {caller?.name && <span className={classes.caller}> · {caller.name}</span>}
      </span>
    ),
  },
  {
    id: "started",
    header: headers.started,
    cell: ({ started_at, created_at }) => <RelativeTime time={started_at ?? created_at} />,
  },
  {
    id: "duration",
    header: (
      <Tooltip label={strings.durationScale}>
        <span>{headers.duration}</span>
      </Tooltip>
    ),
    from: 440,
    cell: (run) => <RunDuration run={run} />,
  },
  {
    id: "tokens",
    header: headers.tokens,
    align: "end",
    from: 960,
    cell: ({ total_tokens }) => <Tokens count={total_tokens} />,
  },
  {
    id: "cost",
    header: headers.cost,
    align: "end",
    from: 720,
    cell: (run) => <Money micros={run.cost_usd_micros} complete={run.cost_complete} />,
  },
  {
    id: "tags",
    header: headers.tags,
    from: 1120,
    cell: ({ pipeline_tags }) =>
      pipeline_tags.length > 0 && (
        <span className={classes.tags} title={pipeline_tags.join(", ")} dir="ltr">
          {pipeline_tags.map((tag) => (
            <bdi key={tag} className={classes.tag}>
              {tag}
            </bdi>
          ))}
          {pipeline_tags.length > 1 && (
            <span className={classes.moreTags} aria-hidden>
              +{pipeline_tags.length - 1}
            </span>
          )}
        </span>
      ),
  },
  {
    id: "error",
    header: headers.error,
    grows: true,
    from: 1120,
    cell: (run) => {
      const text = errorText(run);
      return (
        text !== null && (
          <span className={classes.error} title={text}>
            <Message text={text} />
          </span>
        )
      );
    },
  },
];

function PipelineCell({ run }: { run: Run }) {
  return (
    <span className={classes.pipeline} dir="ltr">
      <Link
        to="/runs/$runId"
        params={{ runId: run.id }}
        className={classes.name}
        dir="auto"
        tabIndex={-1}
      >
        {run.pipeline_name}
      </Link>
      <span className={`numeric ${classes.version}`}>
        {run.is_draft ? <TestTag /> : strings.version(run.pipeline_version)}
      </span>
    </span>
  );
}

/** The message without the name of the step, for which a cell has no room. */
function errorText({ error }: Run): string | null {
  const has = error !== null && typeof error === "object" && "message" in error;
  if (!has || typeof error.message !== "string") return null;
  return error.message.replace(/^Step `[^`]*`(: |, )/, "");
}
