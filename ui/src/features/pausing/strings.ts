/** Texts of pausing and resuming a pipeline. */
export const strings = {
  pause: "Pause",
  resume: "Resume",
  pauseQuestion: (name: string) => `Pause the pipeline “${name}”?`,
  resumeQuestion: (name: string) => `Resume the pipeline “${name}”?`,
  pauseText:
    "It starts no new runs until it is resumed: calls and webhooks are refused, and its schedules skip their times. Runs that have started continue. You can still edit it and test drafts.",
  resumeText:
    "It can be started again, and its schedules continue. A schedule that makes up for missed times starts one run for the last time that it skipped.",
  reason: "Reason",
  reasonHint: "Optional. Everyone in the workspace can see it.",
  cancel: "Cancel",
  pauseDone: "The pipeline is paused.",
  resumeDone: "The pipeline is resumed.",
  notPaused: "The pipeline was not paused",
  notResumed: "The pipeline was not resumed",
  pausedBy: (name: string) => `Paused by ${name}`,
  noNewRuns: "It starts no new runs until it is resumed.",
} as const;
