import { createFileRoute } from "@tanstack/react-router";
import { usersQuery } from "@/api/adminUsers";
import { filterOf, readUsersSearch } from "@/features/admin/users/search";
import { UsersPage } from "@/features/admin/users/UsersPage";

export const Route = createFileRoute("/_app/admin/users/")({
  // With the page, so that other pages do not load what only administrators need.
  codeSplitGroupings: [["loader", "component"]],
  validateSearch: readUsersSearch,
  loaderDeps: ({ search }) => search,
  loader: ({ context: { queryClient }, deps }) =>
    queryClient.ensureQueryData(usersQuery(filterOf(deps), deps.cursor)),
  component: function Users() {
    return <UsersPage search={Route.useSearch()} />;
  },
});
