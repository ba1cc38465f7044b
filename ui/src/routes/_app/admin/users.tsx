import { createFileRoute } from "@tanstack/react-router";
import { usersQuery } from "@/api/admin";
import { UsersPage } from "@/features/admin/UsersPage";
import { readText } from "@/ui/table/filters";

type Search = { email?: string; cursor?: string };

export const Route = createFileRoute("/_app/admin/users")({
  validateSearch: (search: Record<string, unknown>): Search => ({
    email: readText(search.email),
    cursor: readText(search.cursor),
  }),
  loaderDeps: ({ search }) => search,
  loader: ({ context: { queryClient }, deps: { email, cursor } }) =>
    queryClient.ensureQueryData(usersQuery(email, cursor)),
  component: UsersPage,
});
