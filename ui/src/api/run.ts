import {
  infiniteQueryOptions,
  queryOptions,
  useMutation,
  useQueryClient,
} from "@tanstack/react-query";
import { api, unwrap } from "./client";
import { jsonText } from "./jsonText";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type Run = Schemas["RunDetail"];
export type RunStatus = Schemas["RunStatus"];
export type StepSummary = Schemas["StepSummary"];
export type StepPage = Schemas["StepPage"];
export type StepDetail = Schemas["StepDetail"];
export type Operation = Schemas["Operation"];
export type OperationDetail = Schemas["OperationDetail"];
export type RunEvent = Schemas["Event"];
export type StreamedEvent = Schemas["StreamedEvent"];
/** Where a retry starts, and JSON texts that replace data of the run. Null: the data that the server has recorded. */
export type Retry = Pick<Schemas["RetryRequest"], "from" | "version"> & {
  inputText: string | null;
  outputTexts: Readonly<Record<string, string>>;
};
export type StepKey = { step_id: string; branch: string; iteration: number };

export type LogLine = { seq: number; level: string; message: string; created_at: string };

const MAX_LOG_LINES = 1000;

/** Steps of a page. The first page is enough for the first screen of all runs. */
const STEPS_PER_PAGE = 1000;

export function isFinal(status: RunStatus): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/** A run without its steps. */
export function runQuery(runId: string) {
  return queryOptions({
    queryKey: ["run", runId],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/runs/{run_id}", {
          params: { path: { run_id: runId }, query: { steps: false } },
          signal,
        }),
      ),
  });
}

/** A run with its first steps, as a file. */
export function exportRun(runId: string): Promise<Blob> {
  const params = { path: { run_id: runId } };
  return unwrap(api.GET("/api/runs/{run_id}", { params, parseAs: "blob" }));
}

export function getSteps(
  runId: string,
  cursor: string | undefined,
  signal: AbortSignal,
): Promise<StepPage> {
  return unwrap(
    api.GET("/api/runs/{run_id}/steps", {
      params: { path: { run_id: runId }, query: { limit: STEPS_PER_PAGE, cursor } },
      signal,
    }),
  );
}

/** The first steps of a run, so that they can be on their way before the page is. */
export function firstStepsQuery(runId: string) {
  return queryOptions({
    queryKey: ["run", runId, "first-steps"],
    queryFn: ({ signal }) => getSteps(runId, undefined, signal),
    staleTime: 2000,
    gcTime: 0,
  });
}

/** One execution of a step with its operations. `version` changes when the execution has changed. */
export function stepQuery(runId: string, key: StepKey, version: string) {
  const { step_id, branch, iteration } = key;
  return queryOptions({
    queryKey: ["run", runId, "step", step_id, branch, iteration, version],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/runs/{run_id}/steps/{step_id}", {
          params: { path: { run_id: runId, step_id }, query: { branch, iteration, limit: 100 } },
          signal,
        }),
      ),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** A call with what it sent and received. `status` is that of the call in the list. */
export function operationQuery(operation: Pick<Operation, "id" | "run_id" | "status">) {
  return queryOptions({
    queryKey: ["run", operation.run_id, "operation", operation.id, operation.status],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/runs/{run_id}/operations/{operation_id}", {
          params: { path: { run_id: operation.run_id, operation_id: operation.id } },
          signal,
        }),
      ),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function eventsQuery(runId: string) {
  return infiniteQueryOptions({
    queryKey: ["run", runId, "events"],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/runs/{run_id}/events", {
          params: { path: { run_id: runId }, query: { after: pageParam, limit: 100 } },
          signal,
        }),
      ),
    initialPageParam: 0,
    getNextPageParam: (last) => (last.data.length < 100 ? undefined : last.data.at(-1)?.data.seq),
  });
}

/** The first log lines of an execution of a step. `version` changes when the execution has changed. */
export function logsQuery(runId: string, { step_id, branch, iteration }: StepKey, version: string) {
  return queryOptions({
    queryKey: ["run", runId, "logs", step_id, branch, iteration, version],
    queryFn: async ({ signal }) => {
      const query = { type: "step.log", step_id, branch, iteration, limit: 100 } as const;
      const lines: LogLine[] = [];
      for (let after = 0; lines.length < MAX_LOG_LINES; after = lines.at(-1)?.seq ?? 0) {
        const page = await unwrap(
          api.GET("/api/runs/{run_id}/events", {
            params: { path: { run_id: runId }, query: { ...query, after } },
            signal,
          }),
        );
        for (const event of page.data) if (event.type === "step.log") lines.push(event.data);
        if (page.next_cursor === null) break;
      }
      return lines;
    },
  });
}

/** A version of a pipeline. Versions never change. */
export function versionQuery(pipelineId: string, version: number) {
  return queryOptions({
    queryKey: ["pipeline", pipelineId, "version", version],
    queryFn: async ({ signal }) => {
      const found = await unwrap(
        api.GET("/api/pipelines/{pipeline_id}/versions/{number}", {
          params: { path: { pipeline_id: pipelineId, number: version } },
          signal,
        }),
      );
      return found as Schemas["Version"];
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** The text of a version, as it was written. */
export function versionTextQuery(pipelineId: string, version: number) {
  return queryOptions({
    queryKey: ["pipeline", pipelineId, "version", version, "text"],
    queryFn: async ({ signal }) => {
      const text: unknown = await unwrap(
        api.GET("/api/pipelines/{pipeline_id}/versions/{number}", {
          params: { path: { pipeline_id: pipelineId, number: version } },
          headers: { Accept: "application/yaml" },
          parseAs: "text",
          signal,
        }),
      );
      return String(text);
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function useCancelRun(runId: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: () =>
      unwrap(api.POST("/api/runs/{run_id}/cancel", { params: { path: { run_id: runId } } })),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ["run", runId] }),
  });
}

export function useRetryRun(runId: string) {
  return useMutation({
    mutationFn: ({ inputText, outputTexts, ...body }: Retry) =>
      unwrap(
        api.POST("/api/runs/{run_id}/retry", {
          params: { path: { run_id: runId } },
          body,
          bodySerializer: (start) =>
            jsonText(start as object, {
              ...(inputText !== null && { input_data: inputText }),
              outputs: jsonText({}, outputTexts),
            }),
        }),
      ),
  });
}

/** A review of a run. `status` is that of its step. */
export function reviewQuery(
  runId: string,
  step: Pick<StepKey, "step_id" | "iteration">,
  status: string,
) {
  return queryOptions({
    queryKey: ["run", runId, "review", step.step_id, step.iteration, status],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/runs/{run_id}/reviews/{step_id}", {
          params: {
            path: { run_id: runId, step_id: step.step_id },
            query: { iteration: step.iteration },
          },
          signal,
        }),
      ),
  });
}
