import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { Run } from "./run";

type Neighbour = "previous" | "next";

/** Runs that are read to find the next one, because lists begin with the newest run. */
const MAX_NEWER_PAGES = 20;

/** The run of the same pipeline that was started just before or after a run. Its id, or null. */
export function neighbourQuery(
  run: Pick<Run, "id" | "pipeline_id" | "created_at">,
  which: Neighbour,
) {
  const list = (query: Record<string, unknown>, signal: AbortSignal) =>
    unwrap(
      api.GET("/api/runs", {
        params: { query: { pipeline_id: run.pipeline_id, include_data: false, ...query } },
        signal,
      }),
    );
  return queryOptions({
    queryKey: ["run", run.id, "neighbour", which],
    queryFn: async ({ signal }) => {
      const range =
        which === "next"
          ? { created_after: run.created_at, limit: 100 }
          : { created_before: run.created_at, limit: 1 };
      let page = await list(range, signal);
      if (which === "previous") return page.data[0]?.id ?? null;
      // Times have milliseconds only, so the run itself can be in the range.
      const last = () => page.data.findLast(({ id }) => id !== run.id)?.id;
      let oldest = last() ?? null;
      for (let pages = 1; page.next_cursor !== null && pages < MAX_NEWER_PAGES; pages += 1) {
        page = await list({ ...range, cursor: page.next_cursor }, signal);
        oldest = last() ?? oldest;
      }
      return oldest;
    },
  });
}
