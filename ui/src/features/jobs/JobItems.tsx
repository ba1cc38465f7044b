import { Button, SegmentedControl } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { type BulkItem, type BulkItemStatus, type BulkJob, bulkItemsQuery } from "@/api/bulkJobs";
import { RunLink } from "@/features/run/links";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { ErrorCode } from "@/ui/feedback/ErrorText";
import { TableSkeleton } from "@/ui/feedback/Skeletons";
import { StatusBadge } from "@/ui/StatusBadge";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import { Message } from "@/ui/text/Message";
import classes from "./Jobs.module.css";
import { ITEM_STATUSES } from "./search";
import { strings } from "./strings";

const BADGES = { pending: "pending", done: "completed", failed: "failed" } as const;

const COLUMNS: readonly Column<BulkItem>[] = [
  {
    id: "status",
    header: strings.columns.status,
    width: "110px",
    cell: ({ status }) => (
      <StatusBadge status={BADGES[status]} label={strings.itemStatuses[status]} />
    ),
  },
  {
    id: "run",
    header: strings.columns.run,
    cell: ({ run_id }) => <RunLink runId={run_id} />,
  },
  {
    id: "result",
    header: strings.columns.result,
    cell: ({ new_run_id, code, message }) => (
      <>
        {new_run_id && <RunLink runId={new_run_id} />}
        {message && <Message text={message} />}{" "}
        {code && <ErrorCode code={code} href={`/docs/errors#${code}`} />}
      </>
    ),
  },
];

/** The runs of a job with what became of each. */
export function JobItems({ job, status }: { job: BulkJob; status: BulkItemStatus | undefined }) {
  const navigate = useNavigate({ from: "/jobs/$jobId" });
  const query = useInfiniteQuery(bulkItemsQuery(job.id, status));
  const { refetch } = query;
  const handled = job.done + job.failed;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the items change when the job's counts do
  useEffect(() => void refetch(), [handled, refetch]);
  const items = query.data?.pages.flatMap(({ data }) => data) ?? [];
  const options = [
    { value: "", label: strings.all },
    ...ITEM_STATUSES.map((value) => ({ value, label: strings.itemStatuses[value] })),
  ];
  return (
    <section className={classes.section}>
      <div className={classes.line}>
        <h2 className={classes.heading}>{strings.items}</h2>
        <SegmentedControl
          aria-label={strings.items}
          data={options}
          value={status ?? ""}
          onChange={(value) =>
            void navigate({
              search: { items: ITEM_STATUSES.find((each) => each === value) },
              replace: true,
              resetScroll: false,
            })
          }
        />
      </div>
      {query.isPending && <TableSkeleton columns={3} />}
      {query.isError && (
        <ErrorState error={query.error} title={strings.notLoaded} onRetry={() => void refetch()} />
      )}
      {query.isSuccess && items.length === 0 && (
        <EmptyState title={strings.noItems}>{strings.noItemsText}</EmptyState>
      )}
      {items.length > 0 && (
        <DataTable
          label={strings.items}
          rows={items}
          rowId={({ run_id }) => run_id}
          columns={COLUMNS}
          hasKeys
          onOpen={({ run_id, new_run_id }) =>
            void navigate({ to: "/runs/$runId", params: { runId: new_run_id ?? run_id } })
          }
          footer={
            query.hasNextPage && (
              <Button
                variant="default"
                loading={query.isFetchingNextPage}
                onClick={() => void query.fetchNextPage()}
              >
                {strings.more}
              </Button>
            )
          }
        />
      )}
    </section>
  );
}
