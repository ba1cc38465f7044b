import {
  infiniteQueryOptions,
  queryOptions,
  useMutation,
  useQueryClient,
} from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type ListedVersion = Schemas["ListedVersion"];
export type Change = Schemas["Change"];

const PAGE = 50;

export const versionsQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ["pipelines", "versions", id],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => {
      const params = { path: { pipeline_id: id }, query: { limit: PAGE, cursor: pageParam } };
      return unwrap(api.GET("/api/pipelines/{pipeline_id}/versions", { params, signal }));
    },
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

/** The text of a version as YAML. It never changes. */
export const versionTextQuery = (id: string, version: number) =>
  queryOptions({
    queryKey: ["version-texts", id, version],
    queryFn: async ({ signal }) => {
      const { data } = await api.GET("/api/pipelines/{pipeline_id}/versions/{number}", {
        params: { path: { pipeline_id: id, number: version } },
        headers: { Accept: "application/yaml" },
        parseAs: "text",
        signal,
      });
      return String(data);
    },
    staleTime: Number.POSITIVE_INFINITY,
  });

/** The changed fields between two versions. */
export const changesQuery = (id: string, before: number, after: number) =>
  queryOptions({
    queryKey: ["version-changes", id, before, after],
    queryFn: async ({ signal }) => {
      const params = { path: { pipeline_id: id, number: before, other: after } };
      const path = "/api/pipelines/{pipeline_id}/versions/{number}/diff/{other}";
      return (await unwrap(api.GET(path, { params, signal }))).changes;
    },
    staleTime: Number.POSITIVE_INFINITY,
  });

/** Saves an earlier version as the newest one, if the newest is still `current`. */
export function useRestoreVersion(id: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: ({ version, current }: { version: number; current: number }) =>
      unwrap(
        api.POST("/api/pipelines/{pipeline_id}/versions/{number}/restore", {
          params: {
            path: { pipeline_id: id, number: version },
            header: { "If-Match": `"v${current}"` },
          },
        }),
      ),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ["pipelines"] }),
  });
}
