import { ActionIcon, Badge, Tooltip } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { Pause, Play } from "lucide-react";
import type { ListedPipeline, Pausable } from "@/api/pipelines";
import { LOCALE } from "@/ui/format/locale";
import { formatMoney } from "@/ui/format/numbers";
import { Money, RelativeTime } from "@/ui/format/Values";
import { runStatus, StatusIcon } from "@/ui/StatusBadge";
import type { Column } from "@/ui/table/columns";
import { PipelineBadge } from "./PipelineBadge";
import classes from "./PipelineList.module.css";
import type { Row } from "./rows";
import { Sparkline } from "./Sparkline";
import { strings } from "./strings";

const percent = new Intl.NumberFormat(LOCALE, { style: "percent", maximumFractionDigits: 0 });

/** A column whose cells are empty for a pipeline that is not saved yet. */
function saved(cell: (pipeline: ListedPipeline) => React.ReactNode): Column<Row>["cell"] {
  return (row) => (row.kind === "pipeline" ? cell(row.pipeline) : null);
}

const STATS = ["success", "cost", "next"];

const all: readonly Column<Row>[] = [
  { id: "name", header: strings.name, grows: true, cell: (row) => <Name row={row} /> },
  {
    id: "tags",
    header: strings.tags,
    from: 960,
    cell: saved(
      ({ tags }) =>
        tags.length > 0 && (
          <span className={classes.tags} dir="ltr">
            {tags.map((tag) => (
              <Link key={tag} to="/pipelines" search={{ tag }} className={classes.tag} dir="auto">
                {tag}
              </Link>
            ))}
          </span>
        ),
    ),
  },
  {
    id: "version",
    header: strings.version,
    align: "end",
    from: 720,
    cell: saved(({ version }) => <span className="numeric">{version}</span>),
  },
  {
    id: "last",
    header: strings.lastRun,
    cell: saved((pipeline) => <LastRun pipeline={pipeline} />),
  },
  {
    id: "success",
    header: (
      <Tooltip label={strings.successHint}>
        <span>{strings.success}</span>
      </Tooltip>
    ),
    align: "end",
    from: 720,
    cell: saved(
      ({ stats }) =>
        typeof stats?.success_rate === "number" && (
          <span className="numeric">{percent.format(stats.success_rate)}</span>
        ),
    ),
  },
  {
    id: "cost",
    header: strings.cost,
    align: "end",
    from: 960,
    cell: saved((pipeline) => <Cost pipeline={pipeline} />),
  },
  {
    id: "next",
    header: strings.nextRun,
    from: 720,
    cell: saved(({ stats, status }) =>
      status === "paused" ? (
        <span className="dimmed">{strings.paused}</span>
      ) : (
        stats?.next_run_at && <RelativeTime time={stats.next_run_at} />
      ),
    ),
  },
  { id: "state", header: strings.state, from: 440, cell: stateOf },
];

/** The columns of the list. `onPause` is null for people who cannot pause pipelines. Those with numbers of the last days need `stats` of the pipelines. */
export function columnsFor(
  rows: readonly Row[],
  onPause: ((pipeline: Pausable) => void) | null,
): readonly Column<Row>[] {
  const hasStats = rows.some((row) => row.kind === "pipeline" && row.pipeline.stats);
  const shown = hasStats ? all : all.filter(({ id }) => !STATS.includes(id));
  if (onPause === null) return shown;
  const pause: Column<Row> = {
    id: "pause",
    header: <span className="visually-hidden">{strings.actions}</span>,
    width: "40px",
    align: "end",
    cell: saved((pipeline) => <PauseButton pipeline={pipeline} onPause={onPause} />),
  };
  return [...shown, pause];
}

type PauseProps = { pipeline: ListedPipeline; onPause: (pipeline: Pausable) => void };

function PauseButton({ pipeline, onPause }: PauseProps) {
  const { name, status } = pipeline;
  if (status === "archived") return null;
  const label = status === "paused" ? strings.resume(name) : strings.pause(name);
  const Icon = status === "paused" ? Play : Pause;
  return (
    <ActionIcon
      size={24}
      variant="subtle"
      color="gray"
      title={label}
      aria-label={label}
      onClick={() => onPause(pipeline)}
    >
      <Icon size={16} aria-hidden />
    </ActionIcon>
  );
}

function Name({ row }: { row: Row }) {
  const name =
    row.kind === "pipeline" ? row.pipeline.name : (row.draft.name ?? strings.newPipeline);
  return (
    <span className={classes.name} dir="ltr">
      <Link to="/pipelines/$id/edit" params={{ id: row.id }} className={classes.link} dir="auto">
        {name}
      </Link>
      {row.kind === "pipeline" && (
        <span className={classes.description} dir="auto">
          {row.pipeline.description}
        </span>
      )}
    </span>
  );
}

function LastRun({ pipeline: { last_run } }: { pipeline: ListedPipeline }) {
  if (last_run === null) return <span className="dimmed">{strings.never}</span>;
  return (
    <span className={classes.run}>
      <StatusIcon {...runStatus({ status: last_run.status, failedSteps: last_run.failed_steps })} />
      <RelativeTime time={last_run.created_at} />
    </span>
  );
}

function Cost({ pipeline: { stats } }: { pipeline: ListedPipeline }) {
  if (!stats) return <span className="dimmed">{strings.noSchedule}</span>;
  const total = stats.runs.reduce((sum, runs) => sum + runs, 0);
  const label = `${total} runs in 7 days, ${formatMoney(stats.cost_usd_micros)}`;
  return (
    <span className={classes.cost}>
      <Sparkline values={stats.runs} label={label} />
      <Money micros={stats.cost_usd_micros} complete={stats.cost_complete} />
    </span>
  );
}

/** Nothing for a pipeline that is active and has no draft, so that a list of these has no such column. */
function stateOf(row: Row): React.ReactNode {
  if (row.kind === "draft")
    return (
      <Badge variant="outline" tt="none" miw="max-content">
        {strings.unsaved}
      </Badge>
    );
  if (row.pipeline.status !== "active") return <PipelineBadge status={row.pipeline.status} />;
  return row.hasDraft ? (
    <Badge variant="outline" tt="none" miw="max-content">
      {strings.unsavedChanges}
    </Badge>
  ) : null;
}
