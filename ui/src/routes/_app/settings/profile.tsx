import { createFileRoute } from "@tanstack/react-router";
import { sessionsQuery } from "@/api/account";
import { ProfilePage } from "@/features/settings/ProfilePage";

export const Route = createFileRoute("/_app/settings/profile")({
  loader: ({ context: { queryClient } }) => queryClient.ensureQueryData(sessionsQuery),
  component: ProfilePage,
});
