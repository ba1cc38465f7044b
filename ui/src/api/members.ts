import { queryOptions, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { Role } from "./access";
import { api, everyPage, unwrap } from "./client";
import type { components } from "./schema";
import { sessionQuery } from "./session";

export type Member = components["schemas"]["Member"];
export type Invitation = components["schemas"]["Invitation"];
export type CreatedInvitation = components["schemas"]["CreatedInvitation"];

/** Members of the workspace, the newest account first. */
export const membersQuery = queryOptions({
  queryKey: ["members"],
  queryFn: async ({ signal }) =>
    (await everyPage((query) => api.GET("/api/workspace/members", { params: { query }, signal })))
      .data,
  staleTime: 60_000,
});

/** A function that returns the name and the address of a member, or the address of another person. */
export function useNameOf(): (email: string) => string {
  const { data: members = [] } = useQuery(membersQuery);
  return (email) => {
    const member = members.find((each) => each.email === email.toLowerCase());
    return member === undefined ? email : `${member.name} (${email})`;
  };
}

/** What a member leaves behind. */
export function holdingsQuery(userId: string) {
  return queryOptions({
    queryKey: ["holdings", userId],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/workspace/members/{user_id}/holdings", {
          params: { path: { user_id: userId } },
          signal,
        }),
      ),
    staleTime: 0,
  });
}

export function useChangeRole() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: ({ id, role }: { id: string; role: Role }) =>
      unwrap(
        api.PATCH("/api/workspace/members/{user_id}", {
          params: { path: { user_id: id } },
          body: { role },
        }),
      ),
    // It can be the role of the signed-in person, which decides what the pages offer.
    onSettled: () =>
      Promise.all([
        queryClient.invalidateQueries({ queryKey: membersQuery.queryKey }),
        queryClient.invalidateQueries({ queryKey: sessionQuery.queryKey }),
      ]),
  });
}

export function useRemoveMember() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) =>
      unwrap(api.DELETE("/api/workspace/members/{user_id}", { params: { path: { user_id: id } } })),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: membersQuery.queryKey }),
  });
}

/** Open invitations to the workspace, newest first. */
export const invitationsQuery = queryOptions({
  queryKey: ["invitations"],
  queryFn: async ({ signal }) =>
    (
      await everyPage((query) =>
        api.GET("/api/workspace/invitations", { params: { query }, signal }),
      )
    ).data,
});

function useChangedInvitations() {
  const queryClient = useQueryClient();
  return () => queryClient.invalidateQueries({ queryKey: invitationsQuery.queryKey });
}

export function useInvite() {
  return useMutation({
    mutationFn: (body: { email: string; role: Role }) =>
      unwrap(api.POST("/api/workspace/invitations", { body })),
    onSuccess: useChangedInvitations(),
  });
}

export function useWithdrawInvitation() {
  return useMutation({
    mutationFn: (id: string) =>
      unwrap(
        api.DELETE("/api/workspace/invitations/{invitation_id}", {
          params: { path: { invitation_id: id } },
        }),
      ),
    onSettled: useChangedInvitations(),
  });
}
