/** Texts of the pages for administrators. */
export const strings = {
  sections: "Admin",
  health: "Health",
  users: "Users",
  workspaces: "Workspaces",
  problems: "Problems",
  audit: "Audit log",
  settings: "Server settings",

  denied: "Administrators only",
  deniedText:
    "Your account is not an administrator of this server. Ask an administrator for access.",

  checks: "Checks",
  checksDescription: "The same checks as `stepiq doctor`, without requests to other servers.",
  queues: "Queues",
  queue: "Queue",
  waiting: "Waiting",
  oldest: "Oldest",
  held: "Runs that wait for their workspace's limit",
  workers: "Workers",
  worker: "Worker",
  live: "Live",
  stopped: "Stopped",
  thisProcess: "this process",
  runs: "Runs",
  deliveries: "Deliveries",
  noWorkers: "No workers",
  noWorkersText: "No process executes runs. Start `stepiq serve` or `stepiq worker`.",

  state: "State",
  created: "Created",

  stuckRuns: "Stuck runs",
  stuckText: "Runs that are overdue, that stopped a worker, or that no worker executes.",
  noStuck: "No stuck runs",
  failing: "Failing deliveries",
  failingText: "Webhooks and emails whose last attempt failed, newest first.",
  noFailing: "No failing deliveries",
  pipeline: "Pipeline",
  reason: "Reason",
  started: "Started",
  attempts: "Attempts",
  error: "Error",
  workspace: "Workspace",

  settingsDescription:
    "The effective settings. To change one, edit the environment or the file, and restart.",
  setting: "Setting",
  value: "Value",
  source: "Source",
  unset: "not set",
} as const;

export const REASONS: Record<string, string> = {
  overdue: "It is past its time limit.",
  crashing: "It stopped its worker repeatedly.",
  waiting_for_worker: "No worker executes it.",
};

export const SOURCES = {
  default: "default",
  environment: "environment",
  file: "file",
  command_line: "command line",
} as const;
