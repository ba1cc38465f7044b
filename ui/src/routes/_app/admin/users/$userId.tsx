import { createFileRoute } from "@tanstack/react-router";
import { userQuery } from "@/api/adminUsers";
import { UserPage } from "@/features/admin/users/UserPage";

export const Route = createFileRoute("/_app/admin/users/$userId")({
  // With the page, so that other pages do not load what only administrators need.
  codeSplitGroupings: [["loader", "component"]],
  loader: ({ context: { queryClient }, params: { userId } }) =>
    queryClient.ensureQueryData(userQuery(userId)),
  component: function User() {
    return <UserPage id={Route.useParams().userId} />;
  },
});
