import { createFileRoute } from "@tanstack/react-router";
import { openReviewsQuery } from "@/api/reviews";
import { ReviewsPage } from "@/features/reviews/ReviewsPage";
import { readReviewsSearch } from "@/features/reviews/search";

export const Route = createFileRoute("/_app/reviews")({
  validateSearch: readReviewsSearch,
  loader: ({ context }) => {
    void context.queryClient.prefetchInfiniteQuery(openReviewsQuery);
  },
  component: ReviewsRoute,
});

function ReviewsRoute() {
  return <ReviewsPage search={Route.useSearch()} />;
}
