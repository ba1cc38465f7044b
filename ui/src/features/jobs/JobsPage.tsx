import { Button } from "@mantine/core";
import { useSuspenseInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { ListChecks } from "lucide-react";
import { type BulkJob, bulkJobsQuery } from "@/api/bulkJobs";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { RelativeTime } from "@/ui/format/Values";
import { PageHeader } from "@/ui/PageHeader";
import { StatusBadge } from "@/ui/StatusBadge";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import { ProgressBar } from "./JobProgress";
import classes from "./Jobs.module.css";
import { strings } from "./strings";

const COLUMNS: readonly Column<BulkJob>[] = [
  {
    id: "name",
    header: strings.columns.name,
    cell: ({ id, name }) => (
      <Link to="/jobs/$jobId" params={{ jobId: id }} className={classes.link} tabIndex={-1}>
        {name}
      </Link>
    ),
  },
  {
    id: "status",
    header: strings.columns.status,
    cell: ({ status }) => <StatusBadge status={status} label={strings.statuses[status]} />,
  },
  {
    id: "progress",
    header: strings.columns.progress,
    wideOnly: true,
    cell: (job) => (
      <div className={classes.inRow}>
        <ProgressBar job={job} />
        <span className="numeric">{strings.progressOf(job)}</span>
      </div>
    ),
  },
  {
    id: "created",
    header: strings.columns.created,
    cell: ({ created_at }) => <RelativeTime time={created_at} />,
  },
];

export function JobsPage() {
  const navigate = useNavigate();
  const { data, hasNextPage, fetchNextPage, isFetchingNextPage } =
    useSuspenseInfiniteQuery(bulkJobsQuery);
  const jobs = data.pages.flatMap((page) => page.data);
  return (
    <>
      <PageHeader
        title={strings.jobs}
        description={strings.description}
        parents={[{ label: strings.runs, href: "/runs" }]}
      />
      {jobs.length === 0 ? (
        <EmptyState
          title={strings.noJobs}
          icon={ListChecks}
          actions={
            <Button variant="default" renderRoot={(props) => <Link to="/runs" {...props} />}>
              {strings.openRuns}
            </Button>
          }
        >
          {strings.noJobsText}
        </EmptyState>
      ) : (
        <DataTable
          label={strings.jobs}
          rows={jobs}
          rowId={({ id }) => id}
          columns={COLUMNS}
          hasKeys
          onOpen={({ id }) => void navigate({ to: "/jobs/$jobId", params: { jobId: id } })}
          footer={
            hasNextPage && (
              <Button
                variant="default"
                loading={isFetchingNextPage}
                onClick={() => void fetchNextPage()}
              >
                {strings.more}
              </Button>
            )
          }
        />
      )}
    </>
  );
}
