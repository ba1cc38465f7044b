import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { components } from "./schema";

export type Usage = components["schemas"]["Usage"];
export type QuotaUsage = components["schemas"]["QuotaUsage"];
export type UsageGroup = "model" | "pipeline" | "caller";
/** The first and the last day, as YYYY-MM-DD in UTC. */
export type UsagePeriod = { from: string; to: string };

/** Usage of each day in a period, and of the models, pipelines or callers with the most tokens. */
export function usageQuery(period: UsagePeriod, group: UsageGroup) {
  return queryOptions({
    queryKey: ["usage", period, group],
    queryFn: async ({ signal }) => {
      const query = { ...period, group_by: group, by_day: true };
      const usage = await unwrap(api.GET("/api/user/usage", { params: { query }, signal }));
      // It is text only if CSV was requested.
      return usage as Usage;
    },
    placeholderData: keepPreviousData,
  });
}

/** The same figures as CSV. */
export function exportUsage(period: UsagePeriod, group: UsageGroup): Promise<Blob> {
  const query = { ...period, group_by: group, by_day: true, format: "csv" as const };
  return unwrap(api.GET("/api/user/usage", { params: { query }, parseAs: "blob" }));
}
