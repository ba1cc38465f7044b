import { Anchor, Button, TextInput } from "@mantine/core";
import { useState } from "react";
import { asApiError } from "@/api/errors";
import { fieldErrors } from "@/ui/feedback/fieldErrors";
import { AuthPage } from "./AuthPage";
import classes from "./AuthPage.module.css";
import { strings } from "./strings";

type Props = {
  error: unknown;
  isPending: boolean;
  onSubmit: (code: string) => void;
  onBack: () => void;
};

/** The second step of signing in: asks for the code of the authenticator app, or for a recovery code. */
export default function EnterCode({ error, isPending, onSubmit, onBack }: Props) {
  const [code, setCode] = useState("");
  const [isRecovery, setRecovery] = useState(false);
  const problem = error ? asApiError(error) : null;
  // The answer that led to this step is not a failure of it.
  const failure = problem?.code === "totp_required" ? null : error;
  const change = () => {
    setRecovery(!isRecovery);
    setCode("");
  };
  return (
    <AuthPage
      title={isRecovery ? strings.recoveryTitle : strings.codeTitle}
      intro={isRecovery ? strings.recoveryIntro : strings.codeIntro}
      error={failure}
      fields={["code"]}
      onSubmit={() => onSubmit(code)}
      footer={
        <Anchor component="button" type="button" onClick={onBack}>
          {strings.back}
        </Anchor>
      }
    >
      <TextInput
        key={isRecovery ? "recovery" : "app"}
        label={isRecovery ? strings.recoveryCode : strings.code}
        name="code"
        inputMode={isRecovery ? "text" : "numeric"}
        autoComplete="one-time-code"
        autoCapitalize="off"
        autoCorrect="off"
        spellCheck={false}
        autoFocus
        value={code}
        error={fieldErrors(error).code}
        onChange={(event) => setCode(event.currentTarget.value)}
      />
      <div className={classes.beside}>
        <Anchor component="button" type="button" size="sm" onClick={change}>
          {isRecovery ? strings.useApp : strings.useRecovery}
        </Anchor>
      </div>
      <Button type="submit" fullWidth loading={isPending}>
        {strings.signIn}
      </Button>
    </AuthPage>
  );
}
