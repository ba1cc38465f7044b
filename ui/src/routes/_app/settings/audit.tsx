import { createFileRoute } from "@tanstack/react-router";
import { auditQuery } from "@/api/audit";
import { AuditPage } from "@/features/audit/AuditPage";
import { filterOf } from "@/features/audit/filter";
import { readAuditSearch } from "@/features/audit/search";

export const Route = createFileRoute("/_app/settings/audit")({
  codeSplitGroupings: [["loader", "component"]],
  validateSearch: readAuditSearch,
  loaderDeps: ({ search: { entry: _, ...search } }) => search,
  loader: ({ context: { queryClient }, deps }) =>
    queryClient.ensureQueryData(auditQuery(filterOf(deps), deps.cursor)),
  component: AuditRoute,
});

function AuditRoute() {
  return <AuditPage search={Route.useSearch()} />;
}
