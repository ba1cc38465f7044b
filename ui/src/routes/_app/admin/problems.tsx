import { createFileRoute } from "@tanstack/react-router";
import { failingDeliveriesQuery, stuckRunsQuery } from "@/api/admin";
import { ProblemsPage } from "@/features/admin/ProblemsPage";

export const Route = createFileRoute("/_app/admin/problems")({
  // With the page, so that other pages do not load what only administrators need.
  codeSplitGroupings: [["loader", "component"]],
  loader: ({ context: { queryClient } }) =>
    Promise.all([
      queryClient.ensureQueryData(failingDeliveriesQuery),
      queryClient.ensureQueryData(stuckRunsQuery),
    ]),
  component: ProblemsPage,
});
