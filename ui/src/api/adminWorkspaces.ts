import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type AdminWorkspace = Schemas["AdminWorkspace"];
export type AdminWorkspaceDetail = Schemas["AdminWorkspaceDetail"];
export type AdminMember = Schemas["AdminMember"];
export type Plan = Schemas["Plan"];
export type WorkspaceFilter = { q?: string; plan?: string; has_members?: boolean };

export const plansQuery = queryOptions({
  queryKey: ["admin", "plans"],
  queryFn: async ({ signal }) => (await unwrap(api.GET("/api/admin/plans", { signal }))).data,
  // Plans change with a restart of the server only.
  staleTime: 60_000,
});

/** A page of the workspaces that match a filter, newest first. */
export function workspacesQuery(filter: WorkspaceFilter, cursor: string | undefined) {
  return queryOptions({
    queryKey: ["admin", "workspaces", "list", { ...filter, cursor }],
    queryFn: ({ signal }) => {
      const query = { ...filter, cursor };
      return unwrap(api.GET("/api/admin/workspaces", { params: { query }, signal }));
    },
  });
}

export function workspaceQuery(id: string) {
  const params = { path: { workspace_id: id } };
  return queryOptions({
    queryKey: ["admin", "workspaces", "one", id],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/admin/workspaces/{workspace_id}", { params, signal })),
  });
}

function useChanged() {
  const queryClient = useQueryClient();
  return () => queryClient.invalidateQueries({ queryKey: ["admin"] });
}

/** Changes the plan of a workspace, or limits that replace those of the plan. */
export function useChangeWorkspace(id: string) {
  const params = { path: { workspace_id: id } };
  return useMutation({
    mutationFn: (body: Schemas["WorkspaceChange"]) =>
      unwrap(api.PATCH("/api/admin/workspaces/{workspace_id}", { params, body })),
    onSuccess: useChanged(),
  });
}

/** Erases a workspace without members. */
export function useEraseWorkspace(id: string) {
  const params = { path: { workspace_id: id } };
  return useMutation({
    mutationFn: () => unwrap(api.DELETE("/api/admin/workspaces/{workspace_id}", { params })),
    onSuccess: useChanged(),
  });
}
