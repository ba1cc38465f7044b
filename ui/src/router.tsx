import { createRouter } from "@tanstack/react-router";
import { queryClient } from "./api/queryClient";
import { routeTree } from "./routeTree.gen";
import { NotFound } from "./ui/feedback/NotFound";
import { RouteError } from "./ui/feedback/RouteError";
import { PageSkeleton } from "./ui/feedback/Skeletons";

export const router = createRouter({
  routeTree,
  context: { queryClient },
  defaultPreload: "intent",
  // TanStack Query decides whether preloaded data is fresh.
  defaultPreloadStaleTime: 0,
  defaultPendingMs: 150,
  defaultPendingMinMs: 200,
  defaultPendingComponent: PageSkeleton,
  defaultErrorComponent: RouteError,
  defaultNotFoundComponent: NotFound,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
