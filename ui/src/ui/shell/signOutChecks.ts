import { useSyncExternalStore } from "react";

/**
 * What must happen before a person signs out or switches the workspace, and the question whether to do so in spite of a
 * reason to stay.
 */

/** Returns why the person may not want to leave now, or null. */
type Check = () => Promise<string | null>;
type Leaving = "sign-out" | "switch";
type Question = {
  leaving: Leaving;
  reasons: readonly string[];
  answer: (leaves: boolean) => void;
};

const checks = new Set<Check>();
const listeners = new Set<() => void>();
let question: Question | null = null;

export function beforeSignOut(check: Check): void {
  checks.add(check);
}

/** Perform all checks. If one returns a reason to stay, the person decides. */
export async function mayLeave(leaving: Leaving): Promise<boolean> {
  const results = await Promise.all([...checks].map((check) => check()));
  const reasons = results.filter((reason) => reason !== null);
  if (reasons.length === 0) return true;
  const leaves = await new Promise<boolean>((answer) => set({ leaving, reasons, answer }));
  set(null);
  return leaves;
}

function set(next: Question | null): void {
  question = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useSignOutQuestion(): Question | null {
  return useSyncExternalStore(subscribe, () => question);
}
