import { createFileRoute, redirect } from "@tanstack/react-router";
import { mayHaveSession, sessionQuery } from "@/api/session";
import { SignIn } from "@/features/auth/SignIn";
import { readNext } from "@/features/auth/search";

export const Route = createFileRoute("/login")({
  validateSearch: readNext,
  beforeLoad: async ({ context, search }) => {
    if (!mayHaveSession()) return;
    const session = await context.queryClient.ensureQueryData(sessionQuery);
    if (session !== null) throw redirect({ href: search.next ?? "/", replace: true });
  },
  component: LoginRoute,
});

function LoginRoute() {
  const { next } = Route.useSearch();
  return <SignIn next={next} />;
}
