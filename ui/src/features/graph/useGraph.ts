import { useEffect, useRef, useState } from "react";
import type { Reading } from "./model/reading";
import type { Layout } from "./model/shapes";

export type Graph = Reading & { layout: Layout };
export type Request = { number: number; text: string; hasStatus: boolean };
export type Answer = { number: number; graph: Graph | null };

export type GraphState = {
  /** The graph of the last text that could be read. */
  graph: Graph | null;
  /** The text of that graph. */
  text: string | null;
  /** Whether a newer text cannot be read. */
  isOutdated: boolean;
  /** Whether no text has been read yet. */
  isLoading: boolean;
  hasFailed: boolean;
};

const INITIAL: GraphState = {
  graph: null,
  text: null,
  isOutdated: false,
  isLoading: true,
  hasFailed: false,
};

/** The graph of a text. One text is read at a time; of those that come meanwhile, the newest is next. */
export function useGraph(text: string, hasStatus: boolean): GraphState {
  const [state, setState] = useState(INITIAL);
  const read = useRef<((text: string) => void) | null>(null);
  useEffect(() => {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    let number = 0;
    let busyWith: string | null = null;
    let next: string | null = null;
    const send = (wanted: string) => {
      number += 1;
      busyWith = wanted;
      next = null;
      worker.postMessage({ number, text: wanted, hasStatus } satisfies Request);
    };
    worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      const done = busyWith;
      busyWith = null;
      setState((known) => after(known, data.graph, done));
      if (next !== null) send(next);
    };
    worker.onerror = () => setState((known) => ({ ...known, isLoading: false, hasFailed: true }));
    read.current = (wanted) => {
      if (busyWith === null) send(wanted);
      else next = wanted;
    };
    return () => {
      read.current = null;
      worker.terminate();
    };
  }, [hasStatus]);
  useEffect(() => read.current?.(text), [text]);
  return state;
}

function after(known: GraphState, graph: Graph | null, text: string | null): GraphState {
  if (graph === null) {
    return { ...known, isOutdated: known.graph !== null, isLoading: false };
  }
  return { graph, text, isOutdated: false, isLoading: false, hasFailed: false };
}
