import { createFileRoute, redirect } from "@tanstack/react-router";
import { withPipelineId } from "@/api/pipelines";
import { RunsPage } from "@/features/runs/RunsPage";
import { runListQuery } from "@/features/runs/runListQuery";
import { filterOf, readRunsSearch } from "@/features/runs/search";

export const Route = createFileRoute("/_app/runs/")({
  validateSearch: readRunsSearch,
  beforeLoad: async ({ context: { queryClient }, search }) => {
    const byId = await withPipelineId(queryClient, search);
    if (byId !== null) throw redirect({ to: "/runs", search: byId, replace: true });
  },
  loaderDeps: ({ search }) => search,
  loader: ({ context, deps }) => {
    void context.queryClient.prefetchQuery(runListQuery(filterOf(deps)));
  },
  component: RunsRoute,
});

function RunsRoute() {
  return <RunsPage search={Route.useSearch()} />;
}
