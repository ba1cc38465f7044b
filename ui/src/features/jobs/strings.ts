import type { BulkItemStatus, BulkJob } from "@/api/bulkJobs";
import { formatNumber } from "@/ui/format/numbers";

const statuses: Record<BulkJob["status"], string> = {
  pending: "Pending",
  running: "Running",
  completed: "Completed",
  cancelled: "Stopped",
};
const actions: Record<BulkJob["action"], string> = { cancel: "Cancel", retry: "Retry" };

/** Texts of the pages of jobs that change many runs. */
export const strings = {
  runs: "Runs",
  jobs: "Jobs",
  description: "A job cancels or retries many runs, one after the other.",
  statuses,
  actions,
  columns: {
    name: "Name",
    status: "Status",
    action: "Action",
    progress: "Progress",
    created: "Created",
    run: "Run",
    result: "Result",
    newRun: "New run",
    code: "Error",
    count: "Runs",
  },
  progressOf: ({ done, failed, total }: BulkJob) =>
    `${formatNumber(done + failed)} of ${formatNumber(total)}`,
  done: (action: BulkJob["action"]) => (action === "cancel" ? "Cancelled" : "Retried"),
  failedItems: "Failed",
  left: "Left",
  total: "Runs",
  took: "Time",
  progress: "Progress",
  hasMore:
    "More runs matched than a job can have. Start another job for the others when this one has ended.",
  failures: "Failures by code",
  items: "Items",
  all: "All",
  itemStatuses: { pending: "Left", done: "Done", failed: "Failed" } satisfies Record<
    BulkItemStatus,
    string
  >,
  showItems: "Show failed items",
  more: "Load more",
  notLoaded: "The items could not be loaded",
  noItems: "No items",
  noItemsText: "No item of this job has this status.",
  noJobs: "No jobs yet",
  noJobsText: "Select runs in the list, then cancel or retry them together.",
  openRuns: "Open the runs",
  stop: "Stop the job…",
  stopTitle: "Stop this job?",
  stopText: "The runs that it has not reached stay as they are. What it has done remains.",
  stopKeep: "Keep it running",
  stopConfirm: "Stop the job",
  stopped: "The job was stopped.",
  stopFailed: "The job was not stopped",
} as const;
