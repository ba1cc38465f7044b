import { queryOptions } from "@tanstack/react-query";
import { api, everyPage, unwrap } from "./client";
import { membersQuery } from "./members";

/** A filter offers up to 1,000 rows of a list. */
const MAX_PAGES = 10;
const MINUTE = 60_000;
const DAYS = 365;

/** Ids and names that a filter offers. */
export type NamedOption = { value: string; label: string };

export const pipelineOptionsQuery = queryOptions({
  queryKey: ["pipelines", "options"],
  queryFn: async ({ signal }): Promise<NamedOption[]> => {
    const { data } = await everyPage((page) => {
      const query = { ...page, include_definition: false };
      return api.GET("/api/pipelines", { params: { query }, signal });
    }, MAX_PAGES);
    return data.map(({ id, name }) => ({ value: id, label: name }));
  },
  staleTime: MINUTE,
});

/** What may have started runs: members, API keys, schedules, and each caller of the last year, also people and deleted keys. */
export const callersQuery = queryOptions({
  queryKey: ["callers", "options"],
  queryFn: async ({ client, signal }) => {
    const now = Date.now();
    const [from, to] = [now - DAYS * 24 * 60 * MINUTE, now].map((time) =>
      new Date(time).toISOString().slice(0, 10),
    );
    const usage = { from, to, group_by: "caller" as const };
    const [members, keys, schedules, used] = await Promise.all([
      client.fetchQuery(membersQuery),
      everyPage((query) => api.GET("/api/user/api-keys", { params: { query }, signal }), MAX_PAGES),
      everyPage((query) => api.GET("/api/schedules", { params: { query }, signal }), MAX_PAGES),
      unwrap(api.GET("/api/user/usage", { params: { query: usage }, signal })),
    ]);
    // It is text only if CSV was requested.
    const series = typeof used === "string" ? [] : used.series;
    // The key is empty for runs whose caller was not recorded.
    const others = series.filter(({ key }) => key !== "");
    return {
      members,
      keys: keys.data,
      schedules: schedules.data,
      others: others.map(({ key, name }) => ({ id: key, name })),
    };
  },
  staleTime: MINUTE,
});
