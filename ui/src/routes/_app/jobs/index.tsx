import { createFileRoute } from "@tanstack/react-router";
import { bulkJobsQuery } from "@/api/bulkJobs";
import { JobsPage } from "@/features/jobs/JobsPage";

export const Route = createFileRoute("/_app/jobs/")({
  codeSplitGroupings: [["loader", "component"]],
  loader: ({ context }) => context.queryClient.ensureInfiniteQueryData(bulkJobsQuery),
  component: JobsPage,
});
