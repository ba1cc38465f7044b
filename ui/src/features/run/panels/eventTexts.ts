import type { RunEvent } from "@/api/run";

/** The step of an event, with its branch and iteration if it has several. */
export function eventStep(event: RunEvent): string {
  if (event.type === "run.status") return "";
  const { step_id, branch, iteration } = event.data;
  return `${step_id}${branch ? ` #${branch}` : ""}${iteration > 1 ? ` ×${iteration}` : ""}`;
}

/** What an event says, in a line. */
export function eventDetail(event: RunEvent): string {
  switch (event.type) {
    case "run.status":
      return event.data.error
        ? `${event.data.status}: ${event.data.error.message}`
        : event.data.status;
    case "step.status": {
      const { status, attempt, error } = event.data;
      if (error) return `${status}: ${error.message}`;
      return attempt !== undefined && attempt > 1 ? `${status}, attempt ${attempt}` : status;
    }
    case "step.log":
      return `${event.data.level}: ${event.data.message}`;
    case "review.requested":
      return event.data.message;
  }
}
