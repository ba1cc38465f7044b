import { useSuspenseQuery } from "@tanstack/react-query";
import { CircleCheck } from "lucide-react";
import {
  type FailingDelivery,
  failingDeliveriesQuery,
  type StuckRun,
  stuckRunsQuery,
} from "@/api/admin";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { formatNumber } from "@/ui/format/numbers";
import { RelativeTime } from "@/ui/format/Values";
import { PageHeader } from "@/ui/PageHeader";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import { Message } from "@/ui/text/Message";
import classes from "./Admin.module.css";
import { REASONS, strings } from "./strings";

export function ProblemsPage() {
  const { data: runs } = useSuspenseQuery(stuckRunsQuery);
  const { data: deliveries } = useSuspenseQuery(failingDeliveriesQuery);
  return (
    <>
      <PageHeader title={strings.problems} />
      <section className={classes.section} aria-labelledby="stuck">
        <h2 id="stuck" className={classes.heading}>
          {strings.stuckRuns}
        </h2>
        <p className={classes.text}>{strings.stuckText}</p>
        {runs.data.length === 0 ? (
          <EmptyState title={strings.noStuck} icon={CircleCheck} />
        ) : (
          <DataTable
            label={strings.stuckRuns}
            columns={RUN_COLUMNS}
            rows={runs.data}
            rowId={(run) => run.id}
          />
        )}
      </section>
      <section className={classes.section} aria-labelledby="failing">
        <h2 id="failing" className={classes.heading}>
          {strings.failing}
        </h2>
        <p className={classes.text}>{strings.failingText}</p>
        {deliveries.data.length === 0 ? (
          <EmptyState title={strings.noFailing} icon={CircleCheck} />
        ) : (
          <DataTable
            label={strings.failing}
            columns={DELIVERY_COLUMNS}
            rows={deliveries.data}
            rowId={(delivery) => delivery.id}
          />
        )}
      </section>
    </>
  );
}

const RUN_COLUMNS: Column<StuckRun>[] = [
  { id: "pipeline", header: strings.pipeline, cell: (run) => run.pipeline_name },
  {
    id: "run",
    header: "Run",
    wideOnly: true,
    cell: (run) => <span className="numeric truncate">{run.id}</span>,
  },
  { id: "reason", header: strings.reason, cell: (run) => REASONS[run.reason] ?? run.reason },
  {
    id: "started",
    header: strings.started,
    width: "120px",
    cell: (run) => <RelativeTime time={run.started_at ?? run.created_at} />,
  },
];

const DELIVERY_COLUMNS: Column<FailingDelivery>[] = [
  { id: "pipeline", header: strings.pipeline, cell: (delivery) => delivery.pipeline_name },
  {
    id: "error",
    header: strings.error,
    cell: (delivery) => (
      <span className="truncate">
        <Message text={delivery.error ?? ""} />
      </span>
    ),
  },
  {
    id: "attempts",
    header: strings.attempts,
    width: "100px",
    align: "end",
    wideOnly: true,
    cell: (delivery) => <span className="numeric">{formatNumber(delivery.attempts)}</span>,
  },
  {
    id: "created",
    header: strings.created,
    width: "120px",
    cell: (delivery) => <RelativeTime time={delivery.created_at} />,
  },
];
