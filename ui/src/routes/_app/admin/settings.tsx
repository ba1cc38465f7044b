import { createFileRoute } from "@tanstack/react-router";
import { settingsQuery } from "@/api/admin";
import { ServerSettingsPage } from "@/features/admin/ServerSettingsPage";

export const Route = createFileRoute("/_app/admin/settings")({
  // With the page, so that other pages do not load what only administrators need.
  codeSplitGroupings: [["loader", "component"]],
  loader: ({ context: { queryClient } }) => queryClient.ensureQueryData(settingsQuery),
  component: ServerSettingsPage,
});
