import { createFileRoute } from "@tanstack/react-router";
import { membersQuery } from "@/api/members";
import { MembersPage } from "@/features/members/MembersPage";

export const Route = createFileRoute("/_app/settings/members")({
  loader: ({ context: { queryClient } }) => queryClient.ensureQueryData(membersQuery),
  component: MembersPage,
});
