import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import { memberText } from "./jsonText";
import type { StepKey } from "./run";

/** The input of a run as JSON, with all digits of its numbers. */
export function inputTextQuery(runId: string) {
  return queryOptions({
    queryKey: ["run", runId, "input-text"],
    queryFn: async ({ signal }) => {
      const params = { path: { run_id: runId }, query: { steps: false } };
      const call = api.GET("/api/runs/{run_id}", { params, parseAs: "text", signal });
      return memberText(await unwrap(call), "input_data");
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** The output of an execution that has ended, as `inputTextQuery` reads the input. */
export function outputTextQuery(runId: string, { step_id, branch, iteration }: StepKey) {
  return queryOptions({
    queryKey: ["run", runId, "output-text", step_id, branch, iteration],
    queryFn: async ({ signal }) => {
      const params = { path: { run_id: runId, step_id }, query: { branch, iteration, limit: 1 } };
      const call = api.GET("/api/runs/{run_id}/steps/{step_id}", {
        params,
        parseAs: "text",
        signal,
      });
      return memberText(await unwrap(call), "output");
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
}
