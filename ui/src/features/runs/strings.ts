import type { RunStatus, TriggerType } from "@/api/runs";
import { shortId } from "@/ui/format/ids";
import { formatNumber } from "@/ui/format/numbers";

const statuses: Record<RunStatus, string> = {
  pending: "Pending",
  running: "Running",
  waiting: "Waiting",
  completed: "Completed",
  failed: "Failed",
  cancelled: "Cancelled",
};
const triggers: Record<TriggerType, string> = {
  manual: "Manual",
  api: "API",
  cron: "Schedule",
  webhook: "Webhook",
  retry: "Retry",
};
const columns = {
  status: "Status",
  pipeline: "Pipeline",
  trigger: "Trigger",
  started: "Started",
  duration: "Duration",
  tokens: "Tokens",
  cost: "Cost",
  tags: "Tags",
  error: "Error",
} as const;

/** Texts of the list of runs. */
export const strings = {
  failures: "Failures",
  withFailures: "Completed with failures",
  title: "Runs",
  statuses,
  triggers,
  columns,
  jobs: "Jobs",
  version: (version: number) => `v${version}`,
  draft: "draft",
  search: "Search runs",
  searchHint: "Pipeline or run id",
  pipeline: "Pipeline",
  versionFilter: "Version",
  after: "Started after",
  before: "Started before",
  tag: "Tag",
  errorCode: "Error code",
  caller: "Caller",
  you: "You",
  apiKey: (name: string) => `API key ${name}`,
  schedule: (name: string) => `Schedule ${name}`,
  deletedCaller: (id: string) => `Deleted, ${shortId(id)}`,
  newRuns: (count: number) => `${formatNumber(count)} new ${count === 1 ? "run" : "runs"}`,
  newestOf: (count: number, total: number, hasMore: boolean) =>
    `The newest ${formatNumber(count)} of ${hasMore ? "more than" : "about"} ${formatNumber(total)} runs`,
  shown: (count: number, isAll: boolean) =>
    isAll
      ? `${formatNumber(count)} ${count === 1 ? "run" : "runs"}`
      : `The newest ${formatNumber(count)} runs`,
  loadMore: "Load older runs",
  notLoaded: "The older runs were not loaded",
  failed: "The runs could not be loaded",
  durationScale: "The bar is logarithmic: from 10 milliseconds to 1 hour.",
  noMatch: "No runs match",
  noMatchText: "No run has all of these properties.",
  noMatchYet: "No match among the newest runs",
  noMatchYetText: "Older runs have not been searched yet.",
  searchOlder: "Search older runs",
  clear: "Clear filters",
  runExample: "Run an example",
  empty: "No runs yet",
  emptyText:
    "Each execution of a pipeline is a run. It appears here when it starts, and changes as it works.",
  nameOf: (pipeline: string, status: RunStatus) =>
    `${statuses[status].toLowerCase()} run of ${pipeline}`,
} as const;
