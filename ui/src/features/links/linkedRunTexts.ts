import type { LinkedRun, LinkedStep } from "@/api/runLink";
import { formatExact } from "@/ui/format/times";
import { strings } from "./strings";

type Failure = { code: string; message: string; step_id: string | null };

/** Why a run or a step failed, or null. */
export function errorOf({ error }: { error?: unknown }): Failure | null {
  if (typeof error !== "object" || error === null) return null;
  const { code, message, step_id } = error as Record<string, unknown>;
  if (typeof message !== "string") return null;
  return { code: String(code), message, step_id: typeof step_id === "string" ? step_id : null };
}

/** How the run ended, or what it does now. */
export function outcome(run: LinkedRun): string {
  if (run.completed_at === null) return strings.active(run.status);
  const time = formatExact(new Date(run.completed_at));
  if (run.status === "failed") return strings.failedAt(errorOf(run)?.step_id ?? null, time);
  return run.status === "cancelled" ? strings.cancelled(time) : strings.completed(time);
}

/** The step with its branch and iteration: "check (branch 0, iteration 2)". */
export function placeOf({ step_id, branch, iteration }: LinkedStep): string {
  const again = iteration > 1 ? strings.iteration(iteration) : "";
  return `${step_id}${branch === "" ? again : strings.branch(`${branch}${again}`)}`;
}

/** Why a step failed. The message of the run ends with that of the step that ended it, so it is not repeated. */
export function reason(step: LinkedStep, run: LinkedRun): string {
  const error = errorOf(step);
  if (error === null) return "";
  return errorOf(run)?.message.endsWith(error.message) ? strings.seeAbove : error.message;
}
