import { createFileRoute } from "@tanstack/react-router";
import { versionsQuery } from "@/api/versions";
import { readVersionsSearch } from "@/features/versions/search";
import { VersionsPage } from "@/features/versions/VersionsPage";

export const Route = createFileRoute("/_app/pipelines/$id/versions")({
  validateSearch: readVersionsSearch,
  loader: ({ context: { queryClient }, params }) =>
    queryClient.ensureInfiniteQueryData(versionsQuery(params.id)),
  component: VersionsRoute,
});

function VersionsRoute() {
  return <VersionsPage id={Route.useParams().id} search={Route.useSearch()} />;
}
