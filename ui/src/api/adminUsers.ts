import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type AdminUser = Schemas["AdminUser"];
export type AdminUserDetail = Schemas["AdminUserDetail"];
export type UserWorkspace = Schemas["UserWorkspace"];
export type UserData = Schemas["UserDeletion"]["data"];
export type UserFilter = { q?: string; disabled?: boolean; is_admin?: boolean };

/** A page of the accounts that match a filter, newest first. */
export function usersQuery(filter: UserFilter, cursor: string | undefined) {
  return queryOptions({
    queryKey: ["admin", "users", "list", { ...filter, cursor }],
    queryFn: ({ signal }) => {
      const query = { ...filter, cursor };
      return unwrap(api.GET("/api/admin/users", { params: { query }, signal }));
    },
  });
}

export function userQuery(id: string) {
  return queryOptions({
    queryKey: ["admin", "users", "one", id],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/admin/users/{user_id}", { params: { path: { user_id: id } }, signal })),
  });
}

function useChanged() {
  const queryClient = useQueryClient();
  // The members of workspaces are listed, too.
  return () =>
    Promise.all(
      ["users", "workspaces"].map((name) =>
        queryClient.invalidateQueries({ queryKey: ["admin", name] }),
      ),
    );
}

/** Disables or enables an account, verifies its address, or makes it an administrator. */
export function useChangeUser() {
  return useMutation({
    mutationFn: ({ id, ...body }: { id: string } & Schemas["UserChange"]) =>
      unwrap(api.PATCH("/api/admin/users/{user_id}", { params: { path: { user_id: id } }, body })),
    onSuccess: useChanged(),
  });
}

/** Turns the two-factor sign-in of an account off. */
export function useResetTwoFactor() {
  return useMutation({
    mutationFn: (id: string) =>
      unwrap(api.DELETE("/api/admin/users/{user_id}/totp", { params: { path: { user_id: id } } })),
    onSuccess: useChanged(),
  });
}

/** Deletes an account. It cannot be restored. */
export function useDeleteUser(id: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (data: UserData) =>
      unwrap(
        api.DELETE("/api/admin/users/{user_id}", {
          params: { path: { user_id: id } },
          body: { data },
        }),
      ),
    // The page of the account is still open, and must not load it again.
    onSuccess: () =>
      Promise.all(
        [
          ["admin", "users", "list"],
          ["admin", "workspaces"],
        ].map((queryKey) => queryClient.invalidateQueries({ queryKey })),
      ),
  });
}

/** Creates a link with which the person sets a new password. */
export function useResetUser(id: string) {
  return useMutation({
    mutationFn: () =>
      unwrap(api.POST("/api/admin/users/{user_id}/reset", { params: { path: { user_id: id } } })),
  });
}
