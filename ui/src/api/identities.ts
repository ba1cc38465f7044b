import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { components } from "./schema";

export type IdentityProvider = components["schemas"]["IdentityProvider"];
export type Identity = components["schemas"]["Identity"];

/** The identity providers of the server. They change only with a restart. */
export const providersQuery = queryOptions({
  queryKey: ["identity-providers"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/auth/providers", { signal })),
  staleTime: Number.POSITIVE_INFINITY,
});

/** The identities of the signed-in user, and whether the account has a password. */
export const identitiesQuery = queryOptions({
  queryKey: ["identities"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/user/identities", { signal })),
});

export function useDisconnectIdentity() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) =>
      unwrap(
        api.DELETE("/api/user/identities/{identity_id}", { params: { path: { identity_id: id } } }),
      ),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: identitiesQuery.queryKey }),
  });
}

/** The address that starts a sign-in with a provider. It is not a page of the app. */
export function startAddress(
  provider: IdentityProvider,
  { next, connect }: { next?: string; connect?: boolean },
): string {
  const query = new URLSearchParams();
  if (next !== undefined) query.set("next", next);
  if (connect) query.set("connect", "true");
  const text = query.toString();
  return text === "" ? provider.start_path : `${provider.start_path}?${text}`;
}
