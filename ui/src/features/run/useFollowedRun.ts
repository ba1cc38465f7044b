import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { useEventStream } from "@/api/live/useEventStream";
import {
  firstStepsQuery,
  getSteps,
  isFinal,
  type Run,
  runQuery,
  type StreamedEvent,
} from "@/api/run";
import { readSteps } from "./model/readSteps";
import { RunStore } from "./model/runStore";

const TOTALS_MS = 2000;

/** A new store that follows a run while the page shows it. */
export function useFollowedRun(run: Run): RunStore {
  const queryClient = useQueryClient();
  const runId = run.id;
  const [store] = useState(() => {
    const created = new RunStore();
    created.setRun(run);
    return created;
  });
  useEffect(() => store.setRun(run), [store, run]);
  const after = useSteps(store, runId, queryClient);
  useEvents(store, runId, queryClient, isFinal(run.status) ? null : after);
  useTotals(store, runId, queryClient);
  return store;
}

/** Read the steps. Returns the number of the last event that they include, as soon as it is known. */
function useSteps(store: RunStore, runId: string, queryClient: QueryClient): number | null {
  const [after, setAfter] = useState<number | null>(null);
  useEffect(() => {
    const aborted = new AbortController();
    const readFirst = () => queryClient.fetchQuery(firstStepsQuery(runId));
    const onFirst = (lastSeq: number) => {
      setAfter(lastSeq);
      if (store.head !== null && isFinal(store.head.status)) return;
      // The stream begins after the steps. The run was read before them, so it may miss a change of its status.
      void queryClient.invalidateQueries({ queryKey: runQuery(runId).queryKey, exact: true });
    };
    void readSteps(runId, store, aborted.signal, readFirst, onFirst);
    return () => {
      aborted.abort();
      store.stop();
    };
  }, [queryClient, runId, store]);
  return after;
}

/** Apply the events after a number. Null: the run had ended, or its steps are not here. */
function useEvents(
  store: RunStore,
  runId: string,
  queryClient: QueryClient,
  after: number | null,
): void {
  // The run can end while its stream is open: the stream then ends on its own.
  const [start, setStart] = useState<number | null>(null);
  const [isOver, setOver] = useState(false);
  if (start === null && after !== null) setStart(after);
  const url = start === null || isOver ? null : `/api/runs/${runId}/stream`;
  const { state } = useEventStream(
    url,
    (events) => {
      for (const { type, data } of events) store.apply({ type, data } as StreamedEvent);
      store.flush();
    },
    start ?? 0,
  );
  const wasLost = useRef(false);
  /** The first page may already have included the last event, after which a stream sends nothing. */
  const settle = useCallback(async () => {
    try {
      const fresh = await queryClient.fetchQuery({ ...runQuery(runId), staleTime: 0 });
      store.setRun(fresh);
      if (!isFinal(fresh.status)) return;
      const { signal } = new AbortController();
      const readFirst = () => getSteps(runId, undefined, signal);
      await readSteps(runId, store, signal, readFirst, () => {});
      setOver(true);
    } catch {
      // The server is away. The stream tries again.
    }
  }, [queryClient, runId, store]);
  useEffect(() => {
    if (state === "reconnecting") {
      wasLost.current = true;
      void settle();
    }
    if (state === "live" && wasLost.current) {
      wasLost.current = false;
      void queryClient.invalidateQueries({ queryKey: ["run", runId] });
    }
  }, [state, settle, queryClient, runId]);
}

/** Read the tokens and the cost of the run again while its steps end, and its output when it ends. */
function useTotals(store: RunStore, runId: string, queryClient: QueryClient): void {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    const read = () => {
      timer = null;
      void queryClient.invalidateQueries({ queryKey: runQuery(runId).queryKey, exact: true });
    };
    const onEvent = () => {
      timer ??= setTimeout(read, TOTALS_MS);
    };
    const onHead = () => {
      if (store.head === null || !isFinal(store.head.status) || store.head.seq === 0) return;
      if (timer !== null) clearTimeout(timer);
      read();
    };
    const stop = [store.subscribe("seq", onEvent), store.subscribe("head", onHead)];
    return () => {
      if (timer !== null) clearTimeout(timer);
      for (const each of stop) each();
    };
  }, [queryClient, runId, store]);
}
