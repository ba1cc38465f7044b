import { createFileRoute } from "@tanstack/react-router";
import { sessionsQuery } from "@/api/account";
import { identitiesQuery } from "@/api/identities";
import { twoFactorQuery } from "@/api/twoFactor";
import { ProfilePage } from "@/features/settings/ProfilePage";
import { readFailure } from "@/features/sso/search";

export const Route = createFileRoute("/_app/settings/profile")({
  codeSplitGroupings: [["loader", "component"]],
  validateSearch: readFailure,
  loader: ({ context: { queryClient } }) =>
    Promise.all([
      queryClient.ensureQueryData(sessionsQuery),
      queryClient.ensureQueryData(identitiesQuery),
      queryClient.ensureQueryData(twoFactorQuery),
    ]),
  component: ProfileRoute,
});

function ProfileRoute() {
  return <ProfilePage {...Route.useSearch()} />;
}
