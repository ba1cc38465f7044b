import { createFileRoute } from "@tanstack/react-router";
import { plansQuery, workspacesQuery } from "@/api/adminWorkspaces";
import { filterOf, readWorkspacesSearch } from "@/features/admin/workspaces/search";
import { WorkspacesPage } from "@/features/admin/workspaces/WorkspacesPage";

export const Route = createFileRoute("/_app/admin/workspaces/")({
  // With the page, so that other pages do not load what only administrators need.
  codeSplitGroupings: [["loader", "component"]],
  validateSearch: readWorkspacesSearch,
  loaderDeps: ({ search }) => search,
  loader: ({ context: { queryClient }, deps }) =>
    Promise.all([
      queryClient.ensureQueryData(workspacesQuery(filterOf(deps), deps.cursor)),
      queryClient.ensureQueryData(plansQuery),
    ]),
  component: function Workspaces() {
    return <WorkspacesPage search={Route.useSearch()} />;
  },
});
