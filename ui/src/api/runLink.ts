import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { components } from "./schema";

export type LinkedRun = components["schemas"]["LinkedRun"];
export type LinkedStep = components["schemas"]["LinkedStep"];

/** The run that a link from an email shows, without its data. */
export function linkedRunQuery(token: string) {
  return queryOptions({
    queryKey: ["linked-run", token],
    queryFn: ({ signal }) => unwrap(api.POST("/api/run-links/open", { body: { token }, signal })),
  });
}
