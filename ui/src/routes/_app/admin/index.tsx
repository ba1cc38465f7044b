import { createFileRoute } from "@tanstack/react-router";
import { healthQuery, queuesQuery, workersQuery } from "@/api/admin";
import { HealthPage } from "@/features/admin/HealthPage";

export const Route = createFileRoute("/_app/admin/")({
  loader: ({ context: { queryClient } }) =>
    Promise.all([
      queryClient.ensureQueryData(healthQuery),
      queryClient.ensureQueryData(queuesQuery),
      queryClient.ensureQueryData(workersQuery),
    ]),
  component: HealthPage,
});
