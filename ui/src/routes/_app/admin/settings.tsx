import { createFileRoute } from "@tanstack/react-router";
import { settingsQuery } from "@/api/admin";
import { ServerSettingsPage } from "@/features/admin/ServerSettingsPage";

export const Route = createFileRoute("/_app/admin/settings")({
  loader: ({ context: { queryClient } }) => queryClient.ensureQueryData(settingsQuery),
  component: ServerSettingsPage,
});
