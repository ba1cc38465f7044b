import { createFileRoute, redirect } from "@tanstack/react-router";
import { can } from "@/api/access";
import { isNewAccountQuery } from "@/api/firstRun";
import { sessionQuery } from "@/api/session";

/** The first page: an introduction for a new account that can save its example, otherwise the runs. */
export const Route = createFileRoute("/_app/")({
  beforeLoad: async ({ context }) => {
    const session = await context.queryClient.ensureQueryData(sessionQuery);
    const canWrite = session !== null && can(session.user.role, "pipelines:write");
    const isNew = canWrite && (await context.queryClient.fetchQuery(isNewAccountQuery));
    throw redirect({ to: isNew ? "/welcome" : "/runs", replace: true });
  },
});
