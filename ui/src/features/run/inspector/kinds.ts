import type { Run, StepDetail } from "@/api/run";
import { waitsFor } from "../model/rows";

export type Tab =
  | "answer"
  | "prompt"
  | "usage"
  | "request"
  | "response"
  | "timing"
  | "review"
  | "output"
  | "input"
  | "printed"
  | "attempts"
  | "logs"
  | "raw";

export type TabProps = {
  run: Run;
  detail: StepDetail;
  attempt: number | undefined;
  isRunning: boolean;
};

const TABS: Record<ReturnType<typeof waitsFor>, readonly Tab[]> = {
  model: ["answer", "prompt", "usage", "attempts", "logs", "raw"],
  http: ["response", "request", "timing", "attempts", "logs", "raw"],
  code: ["output", "input", "printed", "attempts", "raw"],
  person: ["review", "logs", "raw"],
  time: ["output", "logs", "raw"],
  compute: ["output", "logs", "raw"],
};

export function tabsFor(type: string): readonly Tab[] {
  return TABS[waitsFor(type)];
}

/** The attempts of the recorded calls, in their order. */
export function attemptsOf(detail: Pick<StepDetail, "operations">): number[] {
  return [...new Set(detail.operations.map(({ attempt }) => attempt))];
}

/** The calls of an attempt. Without one, those of the last attempt. */
export function operationsOf(detail: Pick<StepDetail, "operations">, attempt: number | undefined) {
  const chosen = attempt ?? attemptsOf(detail).at(-1);
  return detail.operations.filter((operation) => operation.attempt === chosen);
}

/** The definition of a step, at any depth of a pipeline's definition. */
export function definitionOf(definition: unknown, stepId: string): Record<string, unknown> | null {
  if (typeof definition !== "object" || definition === null) return null;
  const fields = definition as Record<string, unknown>;
  if (fields.id === stepId) return fields;
  const inside = Array.isArray(definition) ? definition : [fields.steps, fields.step];
  for (const each of inside) {
    const found = definitionOf(each, stepId);
    if (found !== null) return found;
  }
  return null;
}

/** The number of the line that defines a step, from 1, or null. */
export function lineOf(yaml: string, stepId: string): number | null {
  const id = stepId.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const pattern = new RegExp(
    `^\\s*(?:-\\s*)?(?:\\{.*?)?["']?id["']?\\s*:\\s*["']?${id}["']?\\s*(?:[,}#].*)?$`,
  );
  const index = yaml.split("\n").findIndex((line) => pattern.test(line.replace(/\r$/, "")));
  return index === -1 ? null : index + 1;
}
