import { createFileRoute } from "@tanstack/react-router";
import { readTriggersSearch } from "@/features/triggers/search";
import { TriggersPage } from "@/features/triggers/TriggersPage";

export const Route = createFileRoute("/_app/pipelines/$id/triggers")({
  validateSearch: readTriggersSearch,
  component: TriggersRoute,
});

function TriggersRoute() {
  return <TriggersPage id={Route.useParams().id} search={Route.useSearch()} />;
}
