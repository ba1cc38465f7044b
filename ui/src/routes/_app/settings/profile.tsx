import { createFileRoute } from "@tanstack/react-router";
import { ProfilePage } from "@/features/settings/ProfilePage";
import { readFailure } from "@/features/sso/search";

export const Route = createFileRoute("/_app/settings/profile")({
  validateSearch: readFailure,
  // Every page loads this file, so that the queries are loaded when they are needed.
  loader: async ({ context: { queryClient } }) => {
    const { loadProfile } = await import("@/features/settings/profileData");
    await loadProfile(queryClient);
  },
  component: ProfileRoute,
});

function ProfileRoute() {
  return <ProfilePage {...Route.useSearch()} />;
}
