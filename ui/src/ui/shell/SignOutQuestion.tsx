import { ConfirmDialog } from "../feedback/ConfirmDialog";
import { useSignOutQuestion } from "./signOutChecks";

/** Asks a person who has something to lose. */
export function SignOutQuestion() {
  const question = useSignOutQuestion();
  if (question === null) return null;
  return (
    <ConfirmDialog
      isOpen
      title="Sign out?"
      action="Sign out anyway"
      keep="Stay signed in"
      onConfirm={() => question.answer(true)}
      onClose={() => question.answer(false)}
    >
      {question.reasons.map((reason) => (
        <div key={reason}>{reason}</div>
      ))}
    </ConfirmDialog>
  );
}
