import { createFileRoute } from "@tanstack/react-router";
import { AuditPage } from "@/features/audit/AuditPage";
import { readAuditSearch } from "@/features/audit/search";

export const Route = createFileRoute("/_app/settings/audit")({
  codeSplitGroupings: [["loader", "component"]],
  validateSearch: readAuditSearch,
  loaderDeps: ({ search: { entry: _, ...search } }) => search,
  loader: async ({ context: { queryClient }, deps }) => {
    const { loadAudit } = await import("@/features/audit/load");
    await loadAudit(queryClient, deps, false);
  },
  component: AuditRoute,
});

function AuditRoute() {
  return <AuditPage search={Route.useSearch()} />;
}
