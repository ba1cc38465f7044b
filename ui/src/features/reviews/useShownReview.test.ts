// @vitest-environment happy-dom
import { act, renderHook } from "@testing-library/react";
import { expect, test } from "vitest";
import type { ReviewKey } from "@/api/reviews";
import { type ReviewsSearch, searchFor } from "./search";
import { useShownReview } from "./useShownReview";

type Props = { rows: ReviewKey[]; search?: ReviewsSearch };

const key = (run_id: string): ReviewKey => ({ run_id, step_id: "check", iteration: 1 });
const OLD = key("old");
const NEW = key("new");

function show(initialProps: Props) {
  return renderHook(({ rows, search = {} }: Props) => useShownReview(rows, search), {
    initialProps,
  });
}

test("a new review does not replace the one that is shown", () => {
  const { result, rerender } = show({ rows: [OLD] });

  rerender({ rows: [NEW, OLD] });

  expect(result.current.selected).toEqual(OLD);
});

test("a review that somebody else decides stays until the person moves", () => {
  const { result, rerender } = show({ rows: [NEW, OLD] });

  rerender({ rows: [OLD] });
  expect(result.current.selected).toEqual(NEW);
  act(() => result.current.release());

  expect(result.current.selected).toEqual(OLD);
});

test.each<[string, Props]>([
  ["another filter", { rows: [OLD], search: { show: "mine" } }],
  ["a selection in the URL", { rows: [NEW, OLD], search: searchFor({}, OLD) }],
])("%s replaces the review that is shown", (_, next) => {
  const { result, rerender } = show({ rows: [NEW, OLD] });

  rerender(next);

  expect(result.current.selected).toEqual(OLD);
});

test("after a selection, the first review of the list is shown again", () => {
  const { result, rerender } = show({ rows: [OLD] });
  rerender({ rows: [NEW, OLD], search: searchFor({}, OLD) });

  rerender({ rows: [NEW, OLD] });

  expect(result.current.selected).toEqual(NEW);
});
