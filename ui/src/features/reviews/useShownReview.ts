import { useState } from "react";
import type { ReviewKey } from "@/api/reviews";
import { type ReviewsSearch, selectedKey } from "./search";

type First = { show: ReviewsSearch["show"]; key: ReviewKey };

/**
 * The review to show: the one that the URL selects, or else the first one. That one stays when others come before it or
 * when it is closed, so that a decision is always about the review that the person has read.
 */
export function useShownReview(
  rows: readonly ReviewKey[],
  search: ReviewsSearch,
): { selected: ReviewKey | null; release: () => void } {
  const [kept, setKept] = useState<First | null>(null);
  const { show } = search;
  const chosen = selectedKey(search);
  const first = rows[0] ?? null;
  let next = chosen === null && kept?.show === show ? kept : null;
  if (next === null && chosen === null && first !== null) next = { show, key: first };
  if (next !== kept) setKept(next);
  return { selected: chosen ?? next?.key ?? null, release: () => setKept(null) };
}
