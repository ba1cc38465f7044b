import { Alert, Button } from "@mantine/core";
import { type RecipientAnswer, useAnswerRecipient } from "@/api/recipients";
import { FormError } from "@/ui/feedback/FormError";
import { LinkPage, LinkProblem } from "./LinkPage";
import classes from "./LinkPage.module.css";
import { strings } from "./strings";
import { useLinkToken } from "./useLinkToken";

const texts = strings.recipient;

/** Asks a recipient whether they want emails. Only a button answers, because programs open links too. */
export function ConfirmRecipient() {
  const { token, forget } = useLinkToken();
  return (
    <LinkPage title={texts.title}>
      {token === null ? (
        <LinkProblem title={strings.incomplete}>{strings.incompleteText}</LinkProblem>
      ) : (
        <Question key={token} token={token} onAnswered={forget} />
      )}
    </LinkPage>
  );
}

function Question({ token, onAnswered }: { token: string; onAnswered: () => void }) {
  const answer = useAnswerRecipient(token);
  const button = (wanted: RecipientAnswer) => ({
    loading: answer.isPending && answer.variables === wanted,
    disabled: answer.isPending && answer.variables !== wanted,
    // The history of the browser need not keep the link.
    onClick: () => answer.mutate(wanted, { onSuccess: onAnswered }),
  });
  if (answer.isSuccess) {
    const { email, confirmed, released } = answer.data;
    return (
      <Alert color="green" role="status">
        {confirmed ? texts.confirmed(email, released) : texts.refused(email)}
      </Alert>
    );
  }
  return (
    <>
      <p className={classes.text}>{texts.question}</p>
      <p className={classes.dimmed}>{texts.explanation}</p>
      <FormError error={answer.error} fields={[]} />
      <div className={classes.answers}>
        <Button {...button("confirm")}>{texts.confirm}</Button>
        <Button variant="default" {...button("refuse")}>
          {texts.refuse}
        </Button>
      </div>
    </>
  );
}
