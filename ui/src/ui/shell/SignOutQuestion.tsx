import { lazy, Suspense } from "react";
import { useSignOutQuestion } from "./signOutChecks";

const SignOutDialog = lazy(() => import("./SignOutDialog"));

/** Asks a person who has something to lose. */
export function SignOutQuestion() {
  const question = useSignOutQuestion();
  if (question === null) return null;
  return (
    <Suspense fallback={null}>
      <SignOutDialog question={question} />
    </Suspense>
  );
}
