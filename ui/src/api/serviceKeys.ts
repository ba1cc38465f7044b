import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, everyPage, unwrap } from "./client";
import type { components } from "./schema";

export type ServiceKey = components["schemas"]["ServiceKey"];
type NewApiKey = components["schemas"]["NewApiKey"];

/** Keys that belong to the workspace and not to a person. */
export const serviceKeysQuery = queryOptions({
  queryKey: ["service-keys"],
  queryFn: async ({ signal }) =>
    (
      await everyPage((query) =>
        api.GET("/api/workspace/service-keys", { params: { query }, signal }),
      )
    ).data,
});

function useChangedServiceKeys() {
  const queryClient = useQueryClient();
  return () => queryClient.invalidateQueries({ queryKey: serviceKeysQuery.queryKey });
}

export function useCreateServiceKey() {
  return useMutation({
    mutationFn: (body: NewApiKey) => unwrap(api.POST("/api/workspace/service-keys", { body })),
    onSuccess: useChangedServiceKeys(),
  });
}

export function useRevokeServiceKey() {
  return useMutation({
    mutationFn: (id: string) =>
      unwrap(
        api.DELETE("/api/workspace/service-keys/{key_id}", { params: { path: { key_id: id } } }),
      ),
    onSuccess: useChangedServiceKeys(),
  });
}
