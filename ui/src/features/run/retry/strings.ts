import { formatNumber } from "@/ui/format/numbers";

/** Texts of the dialog that retries or forks a run. */
export const strings = {
  retry: {
    title: "Retry the run",
    start: "Retry",
    started: "The retry has started.",
    failed: "The retry was not started",
  },
  fork: {
    title: "Fork the run",
    start: "Fork",
    started: "The fork has started.",
    failed: "The fork was not started",
  },
  from: "Start from",
  beginning: "The beginning",
  failed: (step: string) => `The step at which it stopped: ${step}`,
  step: (name: string, id: string) => (name === id ? id : `${name} (${id})`),
  version: "Version",
  same: (version: string) => `The same (${version})`,
  latest: "The latest",
  input: "Input",
  outputs: "Outputs of reused steps",
  outputOf: (step: string) => `Output of ${step}`,
  editOutput: "Edit the output of",
  noOutputs: "No step is reused.",
  reset: "Use the recorded output",
  reusedNone: "All steps are executed again. Nothing is reused.",
  reused: (count: number, tokens: string, cost: string) =>
    `${formatNumber(count)} ${count === 1 ? "execution is" : "executions are"} reused and cost nothing. They cost ${tokens} tokens, ${cost}, in this run.`,
  again: (steps: string) => `Executed again: ${steps}. Steps that follow are executed as well.`,
  partial: "The steps of this run are still loading, so these numbers can grow.",
  cancel: "Cancel",
  outputFailed: "The output could not be loaded",
  inputFailed: "The input could not be loaded",
} as const;
