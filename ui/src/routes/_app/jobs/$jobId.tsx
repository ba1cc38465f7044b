import { createFileRoute } from "@tanstack/react-router";
import { bulkJobQuery } from "@/api/bulkJobs";
import { JobPage } from "@/features/jobs/JobPage";
import { readJobSearch } from "@/features/jobs/search";

export const Route = createFileRoute("/_app/jobs/$jobId")({
  codeSplitGroupings: [["loader", "component"]],
  validateSearch: readJobSearch,
  loader: ({ context, params }) => context.queryClient.ensureQueryData(bulkJobQuery(params.jobId)),
  component: JobRoute,
});

function JobRoute() {
  const { jobId } = Route.useParams();
  return <JobPage jobId={jobId} search={Route.useSearch()} />;
}
