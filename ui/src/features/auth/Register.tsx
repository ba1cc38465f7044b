import { Anchor, Button, PasswordInput, TextInput } from "@mantine/core";
import { Link, useRouter } from "@tanstack/react-router";
import { useState } from "react";
import { asApiError } from "@/api/errors";
import { useRegister, useSignIn } from "@/api/session";
import { AuthPage } from "./AuthPage";
import { strings } from "./strings";
import { useHashToken } from "./useHashToken";

/** Creates an account and signs in. A setup token or an invitation comes from the fragment of the address. */
export function Register({ next }: { next?: string }) {
  const linkedSetupToken = useHashToken("setup");
  const invitation = useHashToken("invitation");
  const [values, setValues] = useState({ email: "", password: "", name: "", setupToken: "" });
  const register = useRegister();
  const signIn = useSignIn();
  const router = useRouter();
  const problem = register.error ? asApiError(register.error) : null;
  const errors = problem?.fieldErrors ?? {};
  const needsSetupToken = problem?.code === "setup_required" && linkedSetupToken === null;

  const set = (name: keyof typeof values) => (event: { currentTarget: { value: string } }) =>
    setValues({ ...values, [name]: event.currentTarget.value });

  const submit = async () => {
    const { email, password } = values;
    await register.mutateAsync({
      email,
      password,
      name: values.name.trim() || null,
      setup_token: linkedSetupToken ?? (values.setupToken.trim() || null),
      invitation,
    });
    await signIn.mutateAsync({ email, password });
    await router.navigate({ href: next ?? "/", replace: true });
  };

  return (
    <AuthPage
      title={strings.createAccount}
      intro={linkedSetupToken === null ? undefined : strings.setupIntro}
      error={needsSetupToken ? null : (register.error ?? signIn.error)}
      fields={["email", "password", "name", "setup_token"]}
      // Failures are shown from the state of the mutations.
      onSubmit={() => void submit().catch(() => undefined)}
      footer={
        <>
          {strings.hasAccount}{" "}
          <Anchor renderRoot={(props) => <Link to="/login" search={{ next }} {...props} />}>
            {strings.signIn}
          </Anchor>
        </>
      }
    >
      <TextInput
        label={strings.email}
        type="email"
        name="email"
        autoComplete="username"
        autoFocus
        value={values.email}
        error={errors.email}
        onChange={set("email")}
      />
      <PasswordInput
        label={strings.password}
        description={strings.passwordHint}
        name="password"
        autoComplete="new-password"
        value={values.password}
        error={errors.password}
        onChange={set("password")}
      />
      <TextInput
        label={strings.name}
        description={strings.nameHint}
        name="name"
        autoComplete="name"
        value={values.name}
        error={errors.name}
        onChange={set("name")}
      />
      {(needsSetupToken || values.setupToken !== "") && (
        <TextInput
          label={strings.setupToken}
          description={strings.setupHint}
          autoComplete="off"
          autoFocus
          value={values.setupToken}
          error={
            needsSetupToken && values.setupToken !== "" ? problem?.message : errors.setup_token
          }
          onChange={set("setupToken")}
        />
      )}
      <Button type="submit" fullWidth loading={register.isPending || signIn.isPending}>
        {strings.createAccount}
      </Button>
    </AuthPage>
  );
}
