import { infiniteQueryOptions, useMutation } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { components } from "./schema";

export type RecipientAnswer = "confirm" | "refuse";
export type Recipient = components["schemas"]["ListedRecipient"];

const PAGE = 50;

/** Addresses that must confirm that they want the emails from this workspace. */
export const recipientsQuery = infiniteQueryOptions({
  queryKey: ["recipients"],
  initialPageParam: undefined as string | undefined,
  queryFn: ({ pageParam, signal }) =>
    unwrap(
      api.GET("/api/recipients", { params: { query: { limit: PAGE, cursor: pageParam } }, signal }),
    ),
  getNextPageParam: (page) => page.next_cursor ?? undefined,
});

/** Answers for the holder of a link from an email whether they want the emails of its sender. */
export function useAnswerRecipient(token: string) {
  return useMutation({
    mutationFn: (answer: RecipientAnswer) =>
      unwrap(
        answer === "confirm"
          ? api.POST("/api/recipients/confirm", { body: { token } })
          : api.POST("/api/recipients/refuse", { body: { token } }),
      ),
  });
}
