import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { components } from "./schema";

export type TestRun = components["schemas"]["RunDetail"];
type RunSummary = components["schemas"]["Run"];
type DraftRun = components["schemas"]["DraftRunRequest"];

/** Runs a text without saving it. */
export function useRunDraft(pipelineId: string) {
  const queryClient = useQueryClient();
  return useMutation({
    onSuccess: () => {
      void queryClient.invalidateQueries({ queryKey: recentRunsQuery(pipelineId).queryKey });
    },
    mutationFn: (body: Omit<DraftRun, "format" | "pipeline_id">) =>
      unwrap(
        api.POST("/api/runs/draft", {
          body: { ...body, pipeline_id: pipelineId, format: "yaml" },
        }),
      ) as Promise<RunSummary>,
  });
}

/** Starts the newest version. */
export function startRun(pipelineId: string, input: Record<string, unknown>) {
  return unwrap(
    api.POST("/api/pipelines/{pipeline_id}/run", {
      // The page of the run shows its progress.
      params: { path: { pipeline_id: pipelineId }, query: { wait: 0 } },
      body: { input_data: input },
    }),
  );
}

export function useStartRun(pipelineId: string) {
  return useMutation({
    mutationFn: (input: Record<string, unknown>) => startRun(pipelineId, input),
  });
}

export function useCancelTestRun() {
  return useMutation({
    mutationFn: (runId: string) =>
      unwrap(api.POST("/api/runs/{run_id}/cancel", { params: { path: { run_id: runId } } })),
  });
}

/**
 * A run with the outputs of its steps. `hasEnded` is part of the key, so that the end causes a request of its own: a query
 * without data ignores an invalidation while its first request is under way.
 */
export const testRunQuery = (runId: string, hasEnded: boolean) =>
  queryOptions({
    queryKey: ["test-run", runId, hasEnded],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/runs/{run_id}", { params: { path: { run_id: runId } }, signal })),
  });

/** The newest runs of a pipeline, whose outputs a test of one step can use. */
export const recentRunsQuery = (pipelineId: string) =>
  queryOptions({
    queryKey: ["test-run", "recent", pipelineId],
    queryFn: async ({ signal }) => {
      const query = { pipeline_id: pipelineId, limit: 20 };
      return (await unwrap(api.GET("/api/runs", { params: { query }, signal }))).data;
    },
  });
