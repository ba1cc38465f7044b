import { createFileRoute } from "@tanstack/react-router";
import { serverAuditQuery } from "@/api/audit";
import { filterOf } from "@/features/audit/filter";
import { ServerAuditPage } from "@/features/audit/ServerAuditPage";
import { readAuditSearch } from "@/features/audit/search";

export const Route = createFileRoute("/_app/admin/audit")({
  codeSplitGroupings: [["loader", "component"]],
  validateSearch: readAuditSearch,
  loaderDeps: ({ search: { entry: _, ...search } }) => search,
  loader: ({ context: { queryClient }, deps }) =>
    queryClient.ensureQueryData(serverAuditQuery(filterOf(deps), deps.cursor)),
  component: AuditRoute,
});

function AuditRoute() {
  return <ServerAuditPage search={Route.useSearch()} />;
}
