import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, everyPage, unwrap } from "./client";
import type { components } from "./schema";

export type Secret = components["schemas"]["ListedSecret"];
/** A secret of one pipeline, whose uses are not listed. */
export type PipelineSecret = components["schemas"]["Secret"];
export type MissingSecret = components["schemas"]["MissingSecret"];
type NewSecret = components["schemas"]["NewSecret"];

export const secretsQuery = queryOptions({
  queryKey: ["secrets", "stored"],
  queryFn: ({ signal }) =>
    everyPage((query) => api.GET("/api/user/secrets", { params: { query }, signal })),
});

/** The secrets of one pipeline. */
export const pipelineSecretsQuery = (pipelineId: string) =>
  queryOptions({
    queryKey: ["secrets", "pipeline", pipelineId],
    queryFn: ({ signal }) =>
      everyPage((query) => {
        const params = { path: { pipeline_id: pipelineId }, query };
        return api.GET("/api/pipelines/{pipeline_id}/secrets", { params, signal });
      }),
  });

/** Names that pipelines, or one of them, use and that are not stored. */
export const missingSecretsQuery = (pipelineId?: string) =>
  queryOptions({
    queryKey: ["secrets", "missing", pipelineId ?? "all"],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/user/missing-secrets", {
          params: { query: { pipeline_id: pipelineId } },
          signal,
        }),
      ),
  });

function useChangedSecrets() {
  const queryClient = useQueryClient();
  return () => queryClient.invalidateQueries({ queryKey: ["secrets"] });
}

/** Stores a value for all pipelines, or for one. A secret with this name is replaced. */
export function useSetSecret(pipelineId?: string) {
  return useMutation({
    mutationFn: (body: NewSecret) =>
      unwrap(
        pipelineId === undefined
          ? api.POST("/api/user/secrets", { body })
          : api.POST("/api/pipelines/{pipeline_id}/secrets", {
              params: { path: { pipeline_id: pipelineId } },
              body,
            }),
      ),
    onSuccess: useChangedSecrets(),
  });
}

/** Deletes a secret of the workspace, or of one pipeline. */
export function useDeleteSecret(pipelineId?: string) {
  return useMutation({
    mutationFn: (secret: string) =>
      unwrap(
        pipelineId === undefined
          ? api.DELETE("/api/user/secrets/{secret}", { params: { path: { secret } } })
          : api.DELETE("/api/pipelines/{pipeline_id}/secrets/{secret}", {
              params: { path: { pipeline_id: pipelineId, secret } },
            }),
      ),
    onSuccess: useChangedSecrets(),
  });
}
