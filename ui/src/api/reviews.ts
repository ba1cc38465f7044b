import {
  infiniteQueryOptions,
  queryOptions,
  useMutation,
  useQueryClient,
} from "@tanstack/react-query";
import { api, unwrap } from "./client";
import { jsonText } from "./jsonText";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type Review = Schemas["Review"];
export type ReviewDetail = Schemas["ReviewDetail"];
export type ReviewForLink = Schemas["ReviewForLink"];
export type ReviewKey = Pick<Review, "run_id" | "step_id" | "iteration">;
export type Decision = Schemas["ReviewDecision"];
/** A decision of a person. `outputText` is JSON, which replaces the data under review. */
export type Answer = { decision: Decision; comment: string | null; outputText: string | null };

const REVIEWS_PER_PAGE = 50;

/** Open reviews of the workspace, newest first. */
export const openReviewsQuery = infiniteQueryOptions({
  queryKey: ["reviews", "open"],
  queryFn: ({ pageParam, signal }) =>
    unwrap(
      api.GET("/api/reviews", {
        params: { query: { limit: REVIEWS_PER_PAGE, cursor: pageParam } },
        signal,
      }),
    ),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (last) => last.next_cursor ?? undefined,
});

/** A review with all of its data, open or closed. */
export function reviewDetailQuery({ run_id, step_id, iteration }: ReviewKey) {
  return queryOptions({
    queryKey: ["reviews", "detail", run_id, step_id, iteration],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/runs/{run_id}/reviews/{step_id}", {
          params: { path: { run_id, step_id }, query: { iteration } },
          signal,
        }),
      ),
  });
}

export function useDecideReview({ run_id, step_id, iteration }: ReviewKey) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: ({ decision, comment, outputText }: Answer) =>
      unwrap(
        api.POST("/api/runs/{run_id}/reviews/{step_id}", {
          params: { path: { run_id, step_id } },
          body: { decision, comment, iteration },
          bodySerializer: (body) => jsonText(body, outputOf(outputText)),
        }),
      ),
    onSettled: () => {
      void queryClient.invalidateQueries({ queryKey: ["reviews"] });
      void queryClient.invalidateQueries({ queryKey: ["run", run_id] });
    },
  });
}

/** The review that a link from an email opens. To open it decides nothing. */
export function linkedReviewQuery(token: string) {
  return queryOptions({
    queryKey: ["linked-review", token],
    queryFn: ({ signal }) => unwrap(api.POST("/api/reviews/open", { body: { token }, signal })),
    // A person edits what it shows.
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function useDecideByLink(token: string) {
  return useMutation({
    mutationFn: ({ decision, comment, outputText }: Answer) =>
      unwrap(
        api.POST("/api/reviews/decide", {
          body: { token, decision, comment },
          bodySerializer: (body) => jsonText(body, outputOf(outputText)),
        }),
      ),
  });
}

function outputOf(text: string | null): Record<string, string> {
  return text === null ? {} : { output: text };
}
