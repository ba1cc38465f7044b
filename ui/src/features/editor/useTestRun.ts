import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { testRunQuery } from "@/api/testRuns";
import { afterEvent, isFinal, NOT_STARTED, type TestEvent } from "./testRunState";

const EVENTS = ["run.status", "step.status", "step.delta"] as const;

/** A run while it happens, and its outputs after its end. */
export function useTestRun(runId: string) {
  const [state, setState] = useState(NOT_STARTED);
  const queryClient = useQueryClient();
  useEffect(() => {
    setState(NOT_STARTED);
    // The first connection gets all recorded events. Later ones continue after the last event.
    const source = new EventSource(`/api/runs/${encodeURIComponent(runId)}/stream`);
    let waiting: TestEvent[] = [];
    let frame = 0;
    const apply = () => {
      frame = 0;
      const events = waiting;
      waiting = [];
      setState((current) => events.reduce(afterEvent, current));
    };
    for (const type of EVENTS) {
      source.addEventListener(type, ({ data }: MessageEvent<string>) => {
        const event = { type, data: JSON.parse(data) } as TestEvent;
        waiting.push(event);
        if (frame === 0) frame = requestAnimationFrame(apply);
        if (event.type === "run.status" && isFinal(event.data.status)) {
          source.close();
          void queryClient.invalidateQueries({ queryKey: testRunQuery(runId).queryKey });
        }
      });
    }
    return () => {
      source.close();
      cancelAnimationFrame(frame);
    };
  }, [runId, queryClient]);
  const run = useQuery(testRunQuery(runId));
  return { state, run: run.data, error: run.error };
}
