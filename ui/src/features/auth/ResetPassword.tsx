import { Alert, Anchor, Button, PasswordInput } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useResetPassword } from "@/api/registration";
import { fieldErrors } from "@/ui/feedback/fieldErrors";
import { AuthPage } from "./AuthPage";
import { endedTexts } from "./endedTexts";
import { strings } from "./strings";
import { useHashToken } from "./useHashToken";

export function ResetPassword() {
  const token = useHashToken("token");
  const [password, setPassword] = useState("");
  const reset = useResetPassword();
  const errors = fieldErrors(reset.error);
  const footer = (
    <Anchor renderRoot={(props) => <Link to="/login" {...props} />}>{strings.backToSignIn}</Anchor>
  );
  if (token === null) {
    return (
      <AuthPage title={strings.resetTitle} footer={footer}>
        <Alert color="red">{strings.resetIncomplete}</Alert>
        <Button renderRoot={(props) => <Link to="/forgot-password" {...props} />}>
          {strings.forgotTitle}
        </Button>
      </AuthPage>
    );
  }
  if (reset.isSuccess) {
    const { api_keys_revoked: revoked, ended } = reset.data;
    return (
      <AuthPage title={strings.resetTitle}>
        <Alert color="green" role="status">
          {strings.resetDone} {revoked > 0 && `API keys revoked: ${revoked}.`}
        </Alert>
        {ended && (
          <Alert color="yellow">
            {[strings.resetTakenOver, ...endedTexts(ended)].map((text) => (
              <p key={text}>{text}</p>
            ))}
          </Alert>
        )}
        <Button renderRoot={(props) => <Link to="/login" {...props} />}>{strings.signIn}</Button>
      </AuthPage>
    );
  }
  return (
    <AuthPage
      title={strings.resetTitle}
      error={reset.error}
      fields={["password"]}
      onSubmit={() => reset.mutate({ token, password })}
      footer={footer}
    >
      <PasswordInput
        label={strings.newPassword}
        description={strings.passwordHint}
        name="password"
        autoComplete="new-password"
        autoFocus
        value={password}
        error={errors.password}
        onChange={(event) => setPassword(event.currentTarget.value)}
      />
      <Button type="submit" fullWidth loading={reset.isPending}>
        {strings.resetSave}
      </Button>
    </AuthPage>
  );
}
