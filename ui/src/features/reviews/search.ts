import type { Review, ReviewKey } from "@/api/reviews";
import { readChoice, readText } from "@/ui/table/filters";

/** The selected review and the filter of the inbox, as its URL has them. */
export type ReviewsSearch = { show?: "mine"; run?: string; step?: string; iteration?: number };

export function readReviewsSearch(search: Record<string, unknown>): ReviewsSearch {
  const run = readText(search.run);
  const step = readText(search.step);
  const iteration = Number(search.iteration ?? 1);
  const isSelected = run !== undefined && step !== undefined;
  return {
    show: readChoice(search.show, ["mine"]),
    ...(isSelected && { run, step }),
    ...(isSelected && Number.isInteger(iteration) && iteration > 1 && { iteration }),
  };
}

/** The review that the URL selects. */
export function selectedKey({ run, step, iteration = 1 }: ReviewsSearch): ReviewKey | null {
  return run === undefined || step === undefined ? null : { run_id: run, step_id: step, iteration };
}

/** The search parameters that select a review. */
export function searchFor(search: ReviewsSearch, key: ReviewKey | null): ReviewsSearch {
  if (key === null) return readReviewsSearch({ show: search.show });
  const { run_id: run, step_id: step, iteration } = key;
  return readReviewsSearch({ show: search.show, run, step, iteration });
}

export function sameReview(one: ReviewKey, other: ReviewKey): boolean {
  return idOf(one) === idOf(other);
}

export function idOf({ run_id, step_id, iteration }: ReviewKey): string {
  return `${run_id}/${step_id}/${iteration}`;
}

/** Whether the address of a person is among the assignees, which are stored as they were written. */
export function isAssigned({ assignees }: Pick<Review, "assignees">, email: string): boolean {
  return assignees.some((each) => each.toLowerCase() === email);
}

/** The review to open after one is decided: the next in the list, or else the one before it. */
export function nextOf<T extends ReviewKey>(rows: readonly T[], decided: ReviewKey): T | null {
  const index = rows.findIndex((row) => sameReview(row, decided));
  return rows[index + 1] ?? rows[index - 1] ?? null;
}
