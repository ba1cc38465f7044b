import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useEventStream } from "@/api/live/useEventStream";
import { testRunQuery } from "@/api/testRuns";
import { afterEvent, isFinal, NOT_STARTED, type TestEvent } from "./testRunState";

const TYPES: readonly string[] = ["run.status", "step.status", "step.delta"];

/** A run while it happens, and its outputs after its end. Use it with a key: it follows one run. */
export function useTestRun(runId: string) {
  const [state, setState] = useState(NOT_STARTED);
  useEventStream(`/api/runs/${encodeURIComponent(runId)}/stream`, (received) => {
    const events = received.filter(({ type }) => TYPES.includes(type)) as unknown as TestEvent[];
    setState((current) => events.reduce(afterEvent, current));
  });
  const run = useQuery(testRunQuery(runId, isFinal(state.status)));
  return { state, run: run.data, error: run.error };
}
