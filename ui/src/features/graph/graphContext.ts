import { createContext, useContext } from "react";
import type { Status } from "@/ui/StatusBadge";
import type { Step } from "./model/steps";

/** What a run has done with a step. */
export type StepState = {
  status: Status | null;
  /** More about it, such as how many items have ended. */
  detail: string | null;
  /** Whether there are details of the step that a click can show. */
  canOpen: boolean;
};

type Shared = {
  steps: ReadonlyMap<string, Step>;
  titles: ReadonlyMap<string, string>;
  /** The step that is marked. */
  current: string | null;
  /** The step that Tab reaches. */
  tabStop: string | null;
  stateOf: ((step: Step) => StepState) | null;
  onOpen: (key: string) => void;
  /** Whether the step has been chosen with a key and must get the focus. True once. */
  takeFocus: (key: string) => boolean;
};

export const GraphContext = createContext<Shared | null>(null);

export function useShared(): Shared {
  const shared = useContext(GraphContext);
  if (shared === null) throw new Error("The component is outside a graph.");
  return shared;
}
