import { createFileRoute } from "@tanstack/react-router";
import { plansQuery, workspaceQuery } from "@/api/adminWorkspaces";
import { WorkspacePage } from "@/features/admin/workspaces/WorkspacePage";

export const Route = createFileRoute("/_app/admin/workspaces/$workspaceId")({
  // With the page, so that other pages do not load what only administrators need.
  codeSplitGroupings: [["loader", "component"]],
  loader: ({ context: { queryClient }, params: { workspaceId } }) =>
    Promise.all([
      queryClient.ensureQueryData(workspaceQuery(workspaceId)),
      queryClient.ensureQueryData(plansQuery),
    ]),
  component: function Workspace() {
    return <WorkspacePage id={Route.useParams().workspaceId} />;
  },
});
