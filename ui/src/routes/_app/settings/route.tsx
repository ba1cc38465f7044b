import { createFileRoute, Outlet } from "@tanstack/react-router";
import { SettingsNavigation } from "@/features/settings/SettingsNavigation";

export const Route = createFileRoute("/_app/settings")({
  component: () => (
    <>
      <SettingsNavigation />
      <Outlet />
    </>
  ),
});
