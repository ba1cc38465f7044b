import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client";

const LIMIT = 8;

/** The pipelines whose name contains a text, for the command palette. */
export function pipelineSearchQuery(text: string) {
  return queryOptions({
    queryKey: ["pipelines", "search", text],
    queryFn: ({ signal }) => {
      const query = { q: text === "" ? undefined : text, limit: LIMIT, include_definition: false };
      return unwrap(api.GET("/api/pipelines", { params: { query }, signal }));
    },
    placeholderData: keepPreviousData,
  });
}
