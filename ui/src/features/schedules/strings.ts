/** Texts of the schedules. */
export const strings = {
  schedules: "Schedules",
  create: "Create schedule",
  edit: "Edit",
  delete: "Delete",
  runNow: "Run now",
  openRun: "Open the run",
  save: "Save",
  close: "Close",
  more: "Show more",
  columns: {
    name: "Name",
    when: "When",
    next: "Next run",
    last: "Last run",
    enabled: "Enabled",
  },
  pipeline: "Pipeline",
  state: "State",
  enabled: "Enabled",
  disabled: "Disabled",
  empty: "No schedules yet",
  emptyText: "A schedule starts runs of a pipeline at given times.",
  noMatch: "No schedule matches the filters",
  noMatchText: "Remove a filter.",
  clear: "Clear filters",
  expression: "Expression",
  expressionHint:
    "Minute, hour, day of month, month and day of week. “0 9 * * 1-5” is 9:00 from Monday to Friday.",
  timezone: "Time zone",
  name: "Name",
  input: "Input",
  inputHint: "The input of each run.",
  overlap: "If the last run is still active",
  overlaps: { allow: "Start another run", skip: "Skip this time" },
  catchUp: "Times missed while no worker ran",
  catchUps: { none: "Start no run for them", last: "Start one run for all of them" },
  choosePipeline: "Choose a pipeline.",
  nextTimes: "Next times",
  yourTime: (zone: string) => `Your time (${zone})`,
  scheduleTime: (zone: string) => `Schedule (${zone})`,
  changeOfClock: "Change of the clock",
  notFiring: "It does not fire while it is disabled.",
  paused: "Paused",
  pausedText: "Its pipeline is paused, so its times are skipped.",
  archived: "It does not fire, because its pipeline is archived.",
  lastTicks: "Last ticks",
  ticksText: "A tick is a time at which the schedule is due. Ticks of the last 30 days are kept.",
  noTicks: "No ticks yet.",
  due: "Due",
  result: "Result",
  run: "Run",
  outcomes: { started: "Started", skipped: "Skipped", missed: "Missed" },
  ofDefinition: "The definition of the pipeline sets its times. To change them, edit the pipeline.",
  editPipeline: "Edit the pipeline",
  view: "View",
  list: "List",
  week: {
    name: "Week",
    label: "Runs by hour",
    previous: "Previous week",
    next: "Next week",
    today: "Today",
    notLoaded: "The times of the schedules could not be loaded",
    nothing: "No runs are due in these days.",
    nothingHere: "No runs are due in this hour.",
    incomplete:
      "Only the 200 schedules that are due next are counted. Filter by pipeline to count others.",
    noHour: "This day does not have this hour.",
    change: "The clocks change on this day.",
    hours: (count: number) => `${count} hours`,
    again: (hour: string) => `${hour} again`,
    runs: (text: string, count: number) => `${text} ${count === 1 ? "run" : "runs"}`,
    runsAt: (text: string, count: number, time: string) =>
      `${text} ${count === 1 ? "run" : "runs"}: ${time}`,
  },
  deleteText: "It starts no more runs, and its ticks are deleted. Its runs remain.",
} as const;

/** Why a tick started no run. Other reasons are codes of errors. */
const REASONS: Readonly<Record<string, string>> = {
  overlap: "the last run was still active",
  pipeline_archived: "the pipeline was archived",
  pipeline_paused: "the pipeline was paused",
  account_disabled: "the workspace has no enabled member",
  not_running: "no worker was running",
  not_running_for_long: "no worker was running at this and later times",
  internal: "an internal error; see the log of the server",
};

export function reasonText(reason: string): string {
  return REASONS[reason] ?? reason;
}

/** Whether a reason is the code of an error, which the documentation explains. */
export function isErrorCode(reason: string): boolean {
  return !(reason in REASONS);
}
