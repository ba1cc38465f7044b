import { useEffect, useRef, useSyncExternalStore } from "react";

/** Something that the command palette can do on the open page. */
export type PageAction = {
  /** In the imperative: "Cancel the run". */
  label: string;
  run: () => void;
};

let current: readonly PageAction[] = [];
const listeners = new Set<() => void>();

function set(next: readonly PageAction[]): void {
  current = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Offer actions in the command palette while the component is mounted. */
export function usePageActions(actions: readonly PageAction[]): void {
  const latest = useRef(actions);
  useEffect(() => {
    latest.current = actions;
  });
  const labels = actions.map(({ label }) => label).join("\n");
  useEffect(() => {
    if (labels === "") return;
    const mine = labels.split("\n").map((label) => ({
      label,
      run: () => latest.current.find((action) => action.label === label)?.run(),
    }));
    set([...current, ...mine]);
    return () => set(current.filter((action) => !mine.includes(action)));
  }, [labels]);
}

export function useCurrentActions(): readonly PageAction[] {
  return useSyncExternalStore(subscribe, () => current);
}
