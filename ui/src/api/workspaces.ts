import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap, WORKSPACE_HEADER } from "./client";
import type { components } from "./schema";
import { sessionQuery } from "./session";
import { forgetWorkspace } from "./workspace";

export type Workspace = components["schemas"]["Workspace"];
export type InvitationBrief = components["schemas"]["InvitationBrief"];

/** The workspaces of the signed-in person, the one joined first comes first. */
export const workspacesQuery = queryOptions({
  queryKey: ["workspaces"],
  queryFn: async ({ signal }) => (await unwrap(api.GET("/api/workspaces", { signal }))).data,
});

/** The workspace of this tab. */
export const workspaceQuery = queryOptions({
  queryKey: ["workspace"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/workspace", { signal })),
});

const THINGS: Record<string, string> = {
  runs: "runs",
  pipelines: "pipelines",
  deliveries: "deliveries",
  jobs: "bulk-jobs",
};

/** The address in the API of what a page is about: `/pipelines/ID/edit` is about `/api/pipelines/ID`. */
export function thingOf(pathname: string): string | null {
  const [, section = "", id] = pathname.split("/");
  const thing = THINGS[section];
  return thing === undefined || !id ? null : `/api/${thing}/${encodeURIComponent(id)}`;
}

/** The other workspace of the person that has what a page is about, or null. */
export function elsewhereQuery(pathname: string, here: string) {
  return queryOptions({
    queryKey: ["elsewhere", pathname],
    queryFn: async ({ client, signal }): Promise<Workspace | null> => {
      const url = thingOf(pathname);
      if (url === null) return null;
      const all = await client.fetchQuery(workspacesQuery);
      const others = all.filter(({ id }) => id !== here);
      const answers = await Promise.all(
        others.map(({ id }) =>
          fetch(url, { headers: { [WORKSPACE_HEADER]: id }, credentials: "same-origin", signal }),
        ),
      );
      return others[answers.findIndex(({ ok }) => ok)] ?? null;
    },
    retry: false,
  });
}

export function useCreateWorkspace() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => unwrap(api.POST("/api/workspaces", { body: { name } })),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: workspacesQuery.queryKey }),
  });
}

export function useRenameWorkspace() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => unwrap(api.PATCH("/api/workspace", { body: { name } })),
    onSuccess: () =>
      Promise.all(
        [["workspace"], ["workspaces"], sessionQuery.queryKey].map((queryKey) =>
          queryClient.invalidateQueries({ queryKey }),
        ),
      ),
  });
}

/** Leaves the workspace. The server ends all sessions of the person, so the sign-in page is next. */
export function useLeaveWorkspace() {
  return useMutation({
    mutationFn: () => unwrap(api.POST("/api/workspace/leave")),
    onSuccess: () => {
      forgetWorkspace();
      window.location.assign("/login");
    },
  });
}

/** Deletes the workspace. The server ends all sessions of its members, so the sign-in page is next. */
export function useDeleteWorkspace() {
  return useMutation({
    mutationFn: (name: string) => unwrap(api.DELETE("/api/workspace", { body: { name } })),
    onSuccess: () => {
      forgetWorkspace();
      window.location.assign("/login");
    },
  });
}

/** What an invitation is for. To open it does not use it. */
export function invitationQuery(token: string) {
  return queryOptions({
    queryKey: ["invitation", token],
    queryFn: ({ signal }) =>
      unwrap(api.POST("/api/invitations/open", { body: { invitation: token }, signal })),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function useJoinWorkspace() {
  return useMutation({
    mutationFn: (token: string) =>
      unwrap(api.POST("/api/workspaces/join", { body: { invitation: token } })),
  });
}
