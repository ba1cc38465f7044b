import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, everyPage, unwrap } from "./client";
import type { components } from "./schema";

export type ApiKey = components["schemas"]["ApiKey"];
export type CreatedApiKey = components["schemas"]["CreatedApiKey"];
export type Scope = components["schemas"]["Scope"];
type NewApiKey = components["schemas"]["NewApiKey"];

/** Keys of the workspace. */
export const keysQuery = queryOptions({
  queryKey: ["keys"],
  queryFn: ({ signal }) =>
    everyPage((query) => api.GET("/api/user/api-keys", { params: { query }, signal })),
});

function useChangedKeys() {
  const queryClient = useQueryClient();
  return () => queryClient.invalidateQueries({ queryKey: keysQuery.queryKey });
}

export function useCreateKey() {
  return useMutation({
    mutationFn: (body: NewApiKey) => unwrap(api.POST("/api/user/api-keys", { body })),
    onSuccess: useChangedKeys(),
  });
}

/** Creates a key with the same name and scopes. The old one works until the overlap is over. */
export function useRollKey() {
  return useMutation({
    mutationFn: ({ id, overlapSeconds }: { id: string; overlapSeconds: number }) =>
      unwrap(
        api.POST("/api/user/api-keys/{key_id}/roll", {
          params: { path: { key_id: id } },
          body: { overlap_seconds: overlapSeconds },
        }),
      ),
    onSuccess: useChangedKeys(),
  });
}

export function useRevokeKey() {
  return useMutation({
    mutationFn: (id: string) =>
      unwrap(api.DELETE("/api/user/api-keys/{key_id}", { params: { path: { key_id: id } } })),
    onSuccess: useChangedKeys(),
  });
}
