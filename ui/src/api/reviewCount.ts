import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client";

const LIMIT = 100;
const EVERY_MS = 30_000;

/** How many reviews wait for a decision, as text: with a "+" if there are more than a page. Empty: none. */
export const reviewCountQuery = queryOptions({
  queryKey: ["reviews", "count"],
  queryFn: async ({ signal }) => {
    const page = await unwrap(
      api.GET("/api/reviews", { params: { query: { limit: LIMIT } }, signal }),
    );
    if (page.data.length === 0) return "";
    return page.next_cursor === null ? String(page.data.length) : `${page.data.length}+`;
  },
  refetchInterval: EVERY_MS,
});
