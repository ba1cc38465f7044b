import { createFileRoute } from "@tanstack/react-router";
import { RunsPage } from "@/features/runs/RunsPage";
import { runListQuery } from "@/features/runs/runListQuery";
import { filterOf, readRunsSearch } from "@/features/runs/search";

export const Route = createFileRoute("/_app/runs/")({
  validateSearch: readRunsSearch,
  loaderDeps: ({ search }) => search,
  loader: ({ context, deps }) => {
    void context.queryClient.prefetchQuery(runListQuery(filterOf(deps)));
  },
  component: RunsRoute,
});

function RunsRoute() {
  return <RunsPage search={Route.useSearch()} />;
}
