/** Texts of the pages that links from emails open. */
export const strings = {
  run: "Run",
  incomplete: "This link is incomplete",
  incompleteText: "Open the complete link from the email.",
  failed: "The run cannot be shown",
  failedAt: (step: string | null, time: string) =>
    `The run failed${step === null ? "" : ` at step ${step}`} on ${time}.`,
  cancelled: (time: string) => `The run was cancelled on ${time}.`,
  completed: (time: string) => `The run completed on ${time}.`,
  active: (status: string) => `The run is ${status}.`,
  whatFailed: "What failed",
  code: "Error code:",
  steps: "Steps",
  columns: ["Step", "Status", "Time", "Error"],
  branch: (branch: string) => ` (branch ${branch})`,
  iteration: (number: number) => `, iteration ${number}`,
  seeAbove: "See above.",
  more: "There are more steps. Sign in to see all of them.",
  openRun: "Open the run",
  recipient: {
    title: "Emails from stepIQ",
    question: "Do you want to receive the emails of the sender that your email names?",
    explanation:
      "They contain results of pipelines, or ask you to review something. Each of them has a link that stops them.",
    confirm: "Yes, send them",
    refuse: "No, and never ask me again",
    confirmed: (email: string, released: number) =>
      `Confirmed. ${email} now gets the emails of this sender.${
        released === 0
          ? ""
          : ` ${released === 1 ? "One email" : `${released} emails`} that waited ${released === 1 ? "is" : "are"} sent now.`
      }`,
    refused: (email: string) =>
      `Done. ${email} gets no more emails of this sender, and no other sender can ask for it.`,
  },
  about: (id: string, version: number, time: string) =>
    `Run ${id}, version ${version} of the pipeline, started ${time}.`,
  until: (time: string) =>
    `This link works until ${time}. Anyone who has it can see this page. It shows no inputs and no outputs.`,
} as const;
