import { createFileRoute } from "@tanstack/react-router";
import { healthQuery, queuesQuery, workersQuery } from "@/api/admin";
import { HealthPage } from "@/features/admin/HealthPage";

export const Route = createFileRoute("/_app/admin/")({
  // With the page, so that other pages do not load what only administrators need.
  codeSplitGroupings: [["loader", "component"]],
  loader: ({ context: { queryClient } }) =>
    Promise.all([
      queryClient.ensureQueryData(healthQuery),
      queryClient.ensureQueryData(queuesQuery),
      queryClient.ensureQueryData(workersQuery),
    ]),
  component: HealthPage,
});
