import { useSuspenseQuery } from "@tanstack/react-query";
import { CircleAlert, CircleCheck, CircleX, Info, Server } from "lucide-react";
import {
  type Check,
  healthQuery,
  type QueueDepth,
  queuesQuery,
  type Worker,
  workersQuery,
} from "@/api/admin";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { formatDuration, formatNumber } from "@/ui/format/numbers";
import { PageHeader } from "@/ui/PageHeader";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import { Message } from "@/ui/text/Message";
import classes from "./Admin.module.css";
import { strings } from "./strings";

const ICONS = { ok: CircleCheck, note: Info, warning: CircleAlert, failed: CircleX } as const;

export function HealthPage() {
  const { data: health } = useSuspenseQuery(healthQuery);
  const { data: queues } = useSuspenseQuery(queuesQuery);
  const { data: workers } = useSuspenseQuery(workersQuery);
  return (
    <>
      <PageHeader
        title={strings.health}
        description={<Message text={strings.checksDescription} />}
      />
      <section className={classes.section}>
        <ul aria-label={strings.checks} className={classes.checks}>
          {health.checks.map((check) => (
            <CheckRow key={check.name} check={check} />
          ))}
        </ul>
      </section>
      <section className={classes.section} aria-labelledby="queues">
        <h2 id="queues" className={classes.heading}>
          {strings.queues}
        </h2>
        <p className={classes.text}>
          {strings.held}: {formatNumber(queues.held_runs)}
        </p>
        <DataTable
          label={strings.queues}
          columns={queueColumns(queues.counted_up_to)}
          rows={queues.queues}
          rowId={(queue) => queue.kind}
        />
      </section>
      <section className={classes.section} aria-labelledby="workers">
        <h2 id="workers" className={classes.heading}>
          {strings.workers}
        </h2>
        {workers.data.length === 0 ? (
          <EmptyState title={strings.noWorkers} icon={Server}>
            <Message text={strings.noWorkersText} />
          </EmptyState>
        ) : (
          <DataTable
            label={strings.workers}
            columns={WORKER_COLUMNS}
            rows={workers.data}
            rowId={(worker) => worker.name}
          />
        )}
      </section>
    </>
  );
}

function CheckRow({ check }: { check: Check }) {
  const Icon = ICONS[check.status];
  return (
    <li className={classes.check} data-status={check.status}>
      <Icon size={16} aria-label={check.status} />
      <span>{check.name}</span>
      <span className={classes.detail}>
        <Message text={check.detail} />
      </span>
      {check.advice && (
        <span className={classes.advice}>
          <Message text={check.advice} />
        </span>
      )}
    </li>
  );
}

function queueColumns(countedUpTo: number): Column<QueueDepth>[] {
  return [
    {
      id: "kind",
      header: strings.queue,
      cell: ({ kind }) => (kind === "runs" ? strings.runs : strings.deliveries),
    },
    {
      id: "waiting",
      header: strings.waiting,
      align: "end",
      cell: ({ waiting }) => (
        <span className="numeric">
          {formatNumber(waiting)}
          {waiting >= countedUpTo && "+"}
        </span>
      ),
    },
    {
      id: "oldest",
      header: strings.oldest,
      align: "end",
      cell: ({ oldest_seconds: seconds }) => (
        <span className="numeric">{formatDuration(seconds * 1000)}</span>
      ),
    },
  ];
}

const WORKER_COLUMNS: Column<Worker>[] = [
  {
    id: "name",
    header: strings.worker,
    cell: (worker) => (
      <span className="truncate">
        <span className="numeric">{worker.name}</span>
        {worker.is_this_process && <span className="dimmed"> ({strings.thisProcess})</span>}
      </span>
    ),
  },
  {
    id: "state",
    header: strings.state,
    width: "110px",
    cell: ({ is_live: isLive }) => (isLive ? strings.live : strings.stopped),
  },
  {
    id: "runs",
    header: strings.runs,
    width: "90px",
    align: "end",
    cell: ({ runs }) => <span className="numeric">{formatNumber(runs)}</span>,
  },
  {
    id: "deliveries",
    header: strings.deliveries,
    width: "110px",
    align: "end",
    cell: ({ deliveries }) => <span className="numeric">{formatNumber(deliveries)}</span>,
  },
];
