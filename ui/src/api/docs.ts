import { queryOptions } from "@tanstack/react-query";
import { ApiError } from "./errors";

/** The pages of the server's own documentation. They are HTML, which the server generates from its code. */
export type DocsPath = "/docs" | "/docs/errors" | "/docs/steps";

export const docsQuery = (path: DocsPath) =>
  queryOptions({
    queryKey: ["docs", path],
    queryFn: async ({ signal }) => {
      // A request that does not ask for HTML gets the content, not this app.
      const response = await fetch(path, { signal, headers: { Accept: "*/*" } }).catch((error) => {
        throw signal.aborted ? error : ApiError.unreachable();
      });
      if (!response.ok) throw await ApiError.from(response);
      return response.text();
    },
    staleTime: Number.POSITIVE_INFINITY,
  });

const LISTED = /^- \[(.+)\]\([^)]*(\/docs\/[^)]+)\.md\)/gm;

/** Every page of the documentation that the server shows outside the app. */
export const guidesQuery = queryOptions({
  queryKey: ["docs", "guides"],
  queryFn: async ({ signal }) => {
    const response = await fetch("/llms.txt", { signal });
    if (!response.ok) throw await ApiError.from(response);
    const text = await response.text();
    return [...text.matchAll(LISTED)]
      .filter(([, , path = ""]) => !path.includes("/decisions/"))
      .map(([, title = "", path = ""]) => ({ title, path }));
  },
  staleTime: Number.POSITIVE_INFINITY,
});
