import { createFileRoute } from "@tanstack/react-router";
import { workspaceQuery } from "@/api/workspaces";
import { WorkspacePage } from "@/features/workspaces/WorkspacePage";

export const Route = createFileRoute("/_app/settings/workspace")({
  loader: ({ context: { queryClient } }) => queryClient.ensureQueryData(workspaceQuery),
  component: WorkspacePage,
});
