import { createFileRoute, redirect } from "@tanstack/react-router";
import { Register } from "@/features/auth/Register";
import { readFragment, readNext } from "@/features/auth/search";

export const Route = createFileRoute("/register")({
  validateSearch: readNext,
  beforeLoad: ({ location: { hash } }) => {
    // Invitations to the server, such as those of `stepiq users invite`, name this page.
    if (readFragment(hash, "invitation") !== null)
      throw redirect({ to: "/join", hash, replace: true });
  },
  component: RegisterRoute,
});

function RegisterRoute() {
  const { next } = Route.useSearch();
  return <Register next={next} />;
}
