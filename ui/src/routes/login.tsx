import { createFileRoute, redirect } from "@tanstack/react-router";
import { mayHaveSession, sessionQuery } from "@/api/session";
import { SignIn } from "@/features/auth/SignIn";
import { readNext } from "@/features/auth/search";
import { readFailure } from "@/features/sso/search";

export const Route = createFileRoute("/login")({
  validateSearch: (search: Record<string, unknown>) => ({
    ...readNext(search),
    ...readFailure(search),
  }),
  beforeLoad: async ({ context, search }) => {
    // Somebody who returns from a provider without success must see why.
    if (!mayHaveSession() || search.failure !== undefined) return;
    const session = await context.queryClient.ensureQueryData(sessionQuery);
    if (session !== null) throw redirect({ href: search.next ?? "/", replace: true });
  },
  component: LoginRoute,
});

function LoginRoute() {
  return <SignIn {...Route.useSearch()} />;
}
