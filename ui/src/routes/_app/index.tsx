import { createFileRoute, redirect } from "@tanstack/react-router";
import { isNewAccountQuery } from "@/api/firstRun";

/** The first page: an introduction for a new account, otherwise the runs. */
export const Route = createFileRoute("/_app/")({
  beforeLoad: async ({ context }) => {
    const isNew = await context.queryClient.fetchQuery(isNewAccountQuery);
    throw redirect({ to: isNew ? "/welcome" : "/runs", replace: true });
  },
});
