import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client";

const LIMIT = 100;
const MINUTE = 60_000;

/** Ids and names that a filter offers. */
export type NamedOption = { value: string; label: string };

export const pipelineOptionsQuery = queryOptions({
  queryKey: ["pipelines", "options"],
  queryFn: async ({ signal }): Promise<NamedOption[]> => {
    const { data } = await unwrap(
      api.GET("/api/pipelines", { params: { query: { limit: LIMIT } }, signal }),
    );
    return data.map(({ id, name }) => ({ value: id, label: name }));
  },
  staleTime: MINUTE,
});
