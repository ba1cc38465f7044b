import { type ErrorComponentProps, useRouter } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { asApiError } from "@/api/errors";
import { ErrorState } from "./ErrorState";
import { FirstPageLink } from "./NotFound";

const Elsewhere = lazy(() => import("@/features/workspaces/Elsewhere"));
const NoWorkspace = lazy(() => import("@/features/auth/NoWorkspace"));

/** The error of a page, in the place of the page. */
export function RouteError({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  const retry = () => {
    reset();
    void router.invalidate();
  };
  const { status, code } = asApiError(error);
  if (code === "no_workspace") {
    return (
      <Suspense fallback={null}>
        <NoWorkspace />
      </Suspense>
    );
  }
  // A pasted link can be about another workspace of the person.
  if (status !== 404) {
    return <ErrorState error={error} title="This page could not be loaded" onRetry={retry} />;
  }
  // Another attempt would find nothing either.
  const state = (
    <ErrorState error={error} title="Not found">
      <FirstPageLink />
    </ErrorState>
  );
  return (
    <Suspense fallback={state}>
      <Elsewhere>{state}</Elsewhere>
    </Suspense>
  );
}
