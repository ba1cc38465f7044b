import { readChoice } from "@/ui/table/filters";

export const STATUSES = ["pending", "delivered", "failed"] as const;
export const VIEWS = ["request", "response", "verify"] as const;
type View = (typeof VIEWS)[number];
export const LANGUAGES = ["shell", "python", "javascript"] as const;
export type Language = (typeof LANGUAGES)[number];

/** The filter of the deliveries of a pipeline. */
export type DeliveriesSearch = { status?: (typeof STATUSES)[number] };

export function readDeliveriesSearch(search: Record<string, unknown>): DeliveriesSearch {
  return { status: readChoice(search.status, STATUSES) };
}

/** What a link to a delivery restores: the attempt, what is shown of it, and the language of the program. */
export type DeliverySearch = { attempt?: number; view?: View; language?: Language };

export function readDeliverySearch(search: Record<string, unknown>): DeliverySearch {
  const attempt = Number(search.attempt);
  return {
    attempt: Number.isInteger(attempt) && attempt > 0 ? attempt : undefined,
    view: readChoice(search.view, VIEWS),
    language: readChoice(search.language, LANGUAGES),
  };
}
