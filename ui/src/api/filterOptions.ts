import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client";

const LIMIT = 100;
const MAX_PAGES = 10;
const MINUTE = 60_000;
const DAYS = 365;

/** Ids and names that a filter offers. */
export type NamedOption = { value: string; label: string };
type Named = { id: string; name: string };
type Page = { data: readonly Named[]; next_cursor: string | null };

/** The items of all pages, up to 1,000. */
async function allPages(load: (cursor: string | undefined) => Promise<Page>): Promise<Named[]> {
  const items: Named[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const { data, next_cursor } = await load(cursor);
    items.push(...data.map(({ id, name }) => ({ id, name })));
    if (next_cursor === null) break;
    cursor = next_cursor;
  }
  return items;
}

export const pipelineOptionsQuery = queryOptions({
  queryKey: ["pipelines", "options"],
  queryFn: async ({ signal }): Promise<NamedOption[]> => {
    const all = await allPages((cursor) =>
      unwrap(api.GET("/api/pipelines", { params: { query: { limit: LIMIT, cursor } }, signal })),
    );
    return all.map(({ id, name }) => ({ value: id, label: name }));
  },
  staleTime: MINUTE,
});

/** What may have started runs: API keys, schedules, and each caller of the last year, also people and deleted keys. */
export const callersQuery = queryOptions({
  queryKey: ["callers", "options"],
  queryFn: async ({ signal }) => {
    const now = Date.now();
    const [from, to] = [now - DAYS * 24 * 60 * MINUTE, now].map((time) =>
      new Date(time).toISOString().slice(0, 10),
    );
    const usage = { from, to, group_by: "caller" as const };
    const [keys, schedules, used] = await Promise.all([
      allPages((cursor) => {
        const query = { limit: LIMIT, cursor };
        return unwrap(api.GET("/api/user/api-keys", { params: { query }, signal }));
      }),
      allPages((cursor) => {
        const query = { limit: LIMIT, cursor };
        return unwrap(api.GET("/api/schedules", { params: { query }, signal }));
      }),
      unwrap(api.GET("/api/user/usage", { params: { query: usage }, signal })),
    ]);
    // It is text only if CSV was requested.
    const series = typeof used === "string" ? [] : used.series;
    // The key is empty for runs whose caller was not recorded.
    const others = series.filter(({ key }) => key !== "");
    return { keys, schedules, others: others.map(({ key, name }) => ({ id: key, name })) };
  },
  staleTime: MINUTE,
});
