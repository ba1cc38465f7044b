import { Alert, Anchor, Button, TextInput } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useForgotPassword } from "@/api/registration";
import { fieldErrors } from "@/ui/feedback/fieldErrors";
import { AuthPage } from "./AuthPage";
import { strings } from "./strings";

export function ForgotPassword() {
  const [email, setEmail] = useState("");
  const forgot = useForgotPassword();
  const errors = fieldErrors(forgot.error);
  return (
    <AuthPage
      title={strings.forgotTitle}
      intro={strings.forgotIntro}
      error={forgot.error}
      fields={["email"]}
      onSubmit={() => forgot.mutate(email)}
      footer={
        <Anchor renderRoot={(props) => <Link to="/login" {...props} />}>
          {strings.backToSignIn}
        </Anchor>
      }
    >
      <TextInput
        label={strings.email}
        type="email"
        name="email"
        autoComplete="username"
        autoFocus
        value={email}
        error={errors.email}
        onChange={(event) => setEmail(event.currentTarget.value)}
      />
      <Button type="submit" fullWidth loading={forgot.isPending}>
        {strings.forgotSend}
      </Button>
      {forgot.isSuccess && (
        <Alert color="green" role="status">
          {strings.forgotDone}
        </Alert>
      )}
    </AuthPage>
  );
}
