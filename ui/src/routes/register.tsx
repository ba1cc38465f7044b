import { createFileRoute } from "@tanstack/react-router";
import { Register } from "@/features/auth/Register";
import { readNext } from "@/features/auth/search";

export const Route = createFileRoute("/register")({
  validateSearch: readNext,
  component: RegisterRoute,
});

function RegisterRoute() {
  const { next } = Route.useSearch();
  return <Register next={next} />;
}
