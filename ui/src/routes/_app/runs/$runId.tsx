import { createFileRoute } from "@tanstack/react-router";
import { firstStepsQuery, runQuery } from "@/api/run";
import { RunPage } from "@/features/run/RunPage";
import { readRunSearch } from "@/features/run/search";
import { AfterFirstRun } from "@/features/welcome/AfterFirstRun";

export const Route = createFileRoute("/_app/runs/$runId")({
  validateSearch: readRunSearch,
  loader: async ({ context: { queryClient }, params: { runId } }) => {
    void queryClient.prefetchQuery(firstStepsQuery(runId));
    await queryClient.ensureQueryData(runQuery(runId));
  },
  component: RunRoute,
});

function RunRoute() {
  const { runId } = Route.useParams();
  const { first } = Route.useSearch();
  const navigate = Route.useNavigate();
  const hide = () =>
    void navigate({ search: (search) => ({ ...search, first: undefined }), replace: true });
  return (
    <>
      {first && <AfterFirstRun onClose={hide} />}
      <RunPage key={runId} runId={runId} />
    </>
  );
}
