import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { components } from "./schema";

export type AdminUser = components["schemas"]["AdminUser"];
export type Check = components["schemas"]["Check"];
export type FailingDelivery = components["schemas"]["FailingDelivery"];
export type QueueDepth = components["schemas"]["Queues"]["queues"][number];
export type Setting = components["schemas"]["Setting"];
export type StuckRun = components["schemas"]["StuckRun"];
export type Worker = components["schemas"]["Worker"];

/** How often pages about the state of the server are read again. */
const REFRESH_MS = 10_000;

export const healthQuery = queryOptions({
  queryKey: ["admin", "health"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/admin/health", { signal })),
});

export const workersQuery = queryOptions({
  queryKey: ["admin", "workers"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/admin/workers", { signal })),
  refetchInterval: REFRESH_MS,
});

export const queuesQuery = queryOptions({
  queryKey: ["admin", "queues"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/admin/queues", { signal })),
  refetchInterval: REFRESH_MS,
});

export const stuckRunsQuery = queryOptions({
  queryKey: ["admin", "stuck-runs"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/admin/stuck-runs", { signal })),
  refetchInterval: REFRESH_MS,
});

export const failingDeliveriesQuery = queryOptions({
  queryKey: ["admin", "failing-deliveries"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/admin/failing-deliveries", { signal })),
  refetchInterval: REFRESH_MS,
});

export const settingsQuery = queryOptions({
  queryKey: ["admin", "settings"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/admin/settings", { signal })),
});

/** A page of the accounts, newest first. With an address, only this account. */
export function usersQuery(email: string | undefined, cursor: string | undefined) {
  return queryOptions({
    queryKey: ["admin", "users", { email, cursor }],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/admin/users", { params: { query: { email, cursor } }, signal })),
  });
}

/** Disables an account, which ends its access within seconds, or enables it. */
export function useDisableUser() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: ({ id, disabled }: { id: string; disabled: boolean }) =>
      unwrap(
        api.PATCH("/api/admin/users/{user_id}", {
          params: { path: { user_id: id } },
          body: { disabled },
        }),
      ),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ["admin", "users"] }),
  });
}
