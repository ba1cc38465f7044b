import { createFileRoute } from "@tanstack/react-router";
import { ServerAuditPage } from "@/features/audit/ServerAuditPage";
import { readAuditSearch } from "@/features/audit/search";

export const Route = createFileRoute("/_app/admin/audit")({
  codeSplitGroupings: [["loader", "component"]],
  validateSearch: readAuditSearch,
  loaderDeps: ({ search: { entry: _, ...search } }) => search,
  loader: async ({ context: { queryClient }, deps }) => {
    const { loadAudit } = await import("@/features/audit/load");
    await loadAudit(queryClient, deps, true);
  },
  component: AuditRoute,
});

function AuditRoute() {
  return <ServerAuditPage search={Route.useSearch()} />;
}
