import { useSyncExternalStore } from "react";
import type { StreamState } from "./connection";

/** The states of the streams of the open page, for the indicator in the top bar. */
const states = new Map<object, StreamState>();
const listeners = new Set<() => void>();

/** Adds a stream to the page. The function that is returned sets its state; null removes it. */
export function reportState(): (state: StreamState | null) => void {
  const stream = {};
  const report = (state: StreamState | null) => {
    if (state === null) states.delete(stream);
    else states.set(stream, state);
    for (const listener of listeners) listener();
  };
  report("connecting");
  return report;
}

/** The least good state of the streams that have not ended. Null: the page follows nothing. */
export function pageState(): StreamState | null {
  const open = new Set([...states.values()].filter((state) => state !== "ended"));
  const order = ["failed", "reconnecting", "connecting", "live"] as const;
  return order.find((state) => open.has(state)) ?? null;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useLiveState(): StreamState | null {
  return useSyncExternalStore(subscribe, pageState);
}
