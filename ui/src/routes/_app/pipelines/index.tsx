import { createFileRoute } from "@tanstack/react-router";
import { draftsQuery } from "@/api/drafts";
import { pipelinesQuery } from "@/api/pipelines";
import { filterOf, readListSearch } from "@/features/pipelines/listSearch";
import { PipelineList } from "@/features/pipelines/PipelineList";

export const Route = createFileRoute("/_app/pipelines/")({
  validateSearch: readListSearch,
  loaderDeps: ({ search }) => filterOf(search),
  loader: ({ context: { queryClient }, deps }) => {
    // The page is not replaced while another search loads: a person may be typing the next one.
    void queryClient.prefetchInfiniteQuery(pipelinesQuery(deps));
    return queryClient.ensureQueryData(draftsQuery);
  },
  component: PipelinesRoute,
});

function PipelinesRoute() {
  return <PipelineList search={Route.useSearch()} />;
}
