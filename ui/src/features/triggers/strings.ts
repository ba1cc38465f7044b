/** Texts of the triggers of a pipeline. */
export const strings = {
  triggers: "Triggers",
  language: "Language",
  triggerNames: { api: "API", webhook: "Webhook", schedule: "Schedule" },
  languageNames: { curl: "curl", python: "Python", javascript: "JavaScript" },
  texts: {
    api: "Starts a run. The answer has the id of the run.",
    webhook:
      "Starts a run from another system. A key with the scope “webhooks:trigger” can do nothing else.",
    schedule: "Creates a schedule, which starts runs at given times.",
  },
  key: "The program reads an API key from the variable STEPIQ_API_KEY.",
  createKey: "Create a key",
  signed: (scheme: string) =>
    `The definition has webhook.verify: the sender must also sign each request (${scheme}).`,
  howToSign: "What is checked",
  archived: "The pipeline is archived, so it cannot be triggered.",
  showSchedules: "Show the schedules of this pipeline",
  createSchedule: "Create a schedule here",
} as const;
