import { createContext, useCallback, useContext, useMemo, useSyncExternalStore } from "react";
import type { LogLine } from "@/api/run";
import type { Row } from "./model/rows";
import type { Answer, Head, Loading, RunStore } from "./model/runStore";
import type { Tree } from "./model/tree";

export const StoreContext = createContext<RunStore | null>(null);

/** The store of the run that the page shows. */
export function useStore(): RunStore {
  const store = useContext(StoreContext);
  if (store === null) throw new Error("The component is outside the page of a run.");
  return store;
}

function useTopic<T>(topic: string, read: (store: RunStore) => T): T {
  const store = useStore();
  const subscribe = useMemo(
    () => (listener: () => void) => store.subscribe(topic, listener),
    [store, topic],
  );
  return useSyncExternalStore(subscribe, () => read(store));
}

export function useRow(key: string): Row | undefined {
  return useTopic(key, (store) => store.row(key));
}

export function useHead(): Head | null {
  return useTopic("head", (store) => store.head);
}

/** New rows of a large tree are drawn together this often, because each change of the list costs a few milliseconds. */
const LARGE_TREE_MS = 100;
const LARGE_TREE = 1000;

export function useTree(): Tree {
  const store = useStore();
  const subscribe = useCallback(
    (listener: () => void) => {
      let timer: ReturnType<typeof setTimeout> | null = null;
      const announce = () => {
        timer = null;
        listener();
      };
      const stop = store.subscribe("tree", () => {
        if (store.size < LARGE_TREE) announce();
        else timer ??= setTimeout(announce, LARGE_TREE_MS);
      });
      return () => {
        stop();
        if (timer !== null) clearTimeout(timer);
      };
    },
    [store],
  );
  return useSyncExternalStore(subscribe, () => store.tree);
}

export function useLoading(): Loading {
  return useTopic("loading", (store) => store.loading);
}

export function useAnswer(key: string): Answer | undefined {
  return useTopic(`answer:${key}`, (store) => store.answer(key));
}

export function useLogs(key: string): readonly LogLine[] {
  return useTopic(`logs:${key}`, (store) => store.logs(key));
}

export function useLastSeq(): number {
  return useTopic("seq", (store) => store.lastSeq);
}

/** Render again when a status changes inside a branch. */
export function useInside(branch: string): void {
  useTopic(`inside:${branch}`, (store) => store.insideVersion(branch));
}
