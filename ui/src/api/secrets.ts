import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { components } from "./schema";

export type Secret = components["schemas"]["ListedSecret"];
export type MissingSecret = components["schemas"]["MissingSecret"];
type NewSecret = components["schemas"]["NewSecret"];

export const secretsQuery = queryOptions({
  queryKey: ["secrets", "stored"],
  queryFn: ({ signal }) =>
    unwrap(api.GET("/api/user/secrets", { params: { query: { limit: 100 } }, signal })),
});

/** Names that pipelines use and that are not stored. */
export const missingSecretsQuery = queryOptions({
  queryKey: ["secrets", "missing"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/user/missing-secrets", { signal })),
});

function useChangedSecrets() {
  const queryClient = useQueryClient();
  return () => queryClient.invalidateQueries({ queryKey: ["secrets"] });
}

/** Stores a value. A secret with this name is replaced. */
export function useSetSecret() {
  return useMutation({
    mutationFn: (body: NewSecret) => unwrap(api.POST("/api/user/secrets", { body })),
    onSuccess: useChangedSecrets(),
  });
}

export function useDeleteSecret() {
  return useMutation({
    mutationFn: (name: string) =>
      unwrap(api.DELETE("/api/user/secrets/{secret}", { params: { path: { secret: name } } })),
    onSuccess: useChangedSecrets(),
  });
}
