import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { components } from "./schema";

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
