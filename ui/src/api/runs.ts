import { api, unwrap } from "./client";
import type { components, paths } from "./schema";

type Schemas = components["schemas"];
export type Run = Schemas["Run"];
export type RunPage = Schemas["RunPage"];
export type RunStatus = Schemas["RunStatus"];
export type TriggerType = Schemas["TriggerType"];
type Query = NonNullable<paths["/api/runs"]["get"]["parameters"]["query"]>;
/** What a list of runs is limited to. */
export type RunFilter = Omit<Query, "limit" | "cursor" | "include_data">;

/** One page of the runs that match a filter, newest first, without their data. It can be short, even empty. */
export function getRuns(
  filter: RunFilter,
  page: { limit: number; cursor?: string },
  signal?: AbortSignal,
): Promise<RunPage> {
  const query = { ...filter, ...page, include_data: false };
  return unwrap(api.GET("/api/runs", { params: { query }, signal }));
}

/** How many runs match a filter. */
export function countRuns(filter: RunFilter, signal: AbortSignal) {
  return unwrap(api.GET("/api/runs/count", { params: { query: filter }, signal }));
}

/** The stream of changes of the runs that match a filter. */
export function runsStreamUrl(filter: RunFilter): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null) query.append(name, String(each));
    }
  }
  return query.size === 0 ? "/api/runs/stream" : `/api/runs/stream?${query}`;
}
