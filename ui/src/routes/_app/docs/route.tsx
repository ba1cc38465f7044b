import { createFileRoute, Outlet } from "@tanstack/react-router";
import { DocsNavigation } from "@/features/docs/DocsNavigation";

/** The documentation of the server. Without a session, the server shows these pages without this app. */
export const Route = createFileRoute("/_app/docs")({
  component: () => (
    <>
      <DocsNavigation />
      <Outlet />
    </>
  ),
});
