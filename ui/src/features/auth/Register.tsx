import { Anchor, Button, PasswordInput, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { asApiError } from "@/api/errors";
import { providersQuery } from "@/api/identities";
import { useRegister } from "@/api/registration";
import { useSignIn } from "@/api/session";
import { fieldErrors } from "@/ui/feedback/fieldErrors";
import { Message } from "@/ui/text/Message";
import { AuthPage } from "./AuthPage";
import type { Invited } from "./invited";
import { strings } from "./strings";
import { useHashToken } from "./useHashToken";
import { useOpenNext } from "./useOpenNext";

const EMPTY = { password: "", name: "", setupToken: "" };

type Props = {
  next?: string;
  /** The invitation that the person uses by registering. */
  invited?: Invited;
};

/** Creates an account and signs in. A setup token comes from the fragment of the address. */
export function Register({ next, invited }: Props) {
  const linkedSetupToken = useHashToken("setup");
  const [values, setValues] = useState({ ...EMPTY, email: invited?.email ?? "" });
  const register = useRegister();
  const signIn = useSignIn();
  const openNext = useOpenNext(next);
  const problem = register.error ? asApiError(register.error) : null;
  const errors = fieldErrors(register.error);
  const needsSetupToken = problem?.code === "setup_required" && linkedSetupToken === null;
  const { data: server } = useQuery(providersQuery);
  const asksForSetupToken =
    linkedSetupToken === null &&
    (needsSetupToken || values.setupToken !== "" || server?.needs_setup === true);

  const set = (name: keyof typeof values) => (event: { currentTarget: { value: string } }) =>
    setValues({ ...values, [name]: event.currentTarget.value });

  const submit = async () => {
    const { email, password } = values;
    await register.mutateAsync({
      email,
      password,
      name: values.name.trim() || null,
      setup_token: linkedSetupToken ?? (values.setupToken.trim() || null),
      invitation: invited?.token,
    });
    await signIn.mutateAsync({ email, password });
    (invited?.onJoined ?? openNext)();
  };

  return (
    <AuthPage
      title={invited?.title ?? strings.createAccount}
      intro={invited?.intro ?? (linkedSetupToken === null ? undefined : strings.setupIntro)}
      error={needsSetupToken ? null : (register.error ?? signIn.error)}
      fields={["email", "password", "name", "setup_token"]}
      // Failures are shown from the state of the mutations.
      onSubmit={() => void submit().catch(() => undefined)}
      footer={
        !invited && (
          <>
            {strings.hasAccount}{" "}
            <Anchor renderRoot={(props) => <Link to="/login" search={{ next }} {...props} />}>
              {strings.signIn}
            </Anchor>
          </>
        )
      }
    >
      <TextInput
        label={strings.email}
        type="email"
        name="email"
        autoComplete="username"
        autoFocus={!invited}
        readOnly={invited !== undefined}
        value={values.email}
        error={errors.email}
        onChange={set("email")}
      />
      <PasswordInput
        label={strings.password}
        description={strings.passwordHint}
        name="password"
        autoComplete="new-password"
        autoFocus={invited !== undefined}
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
      {asksForSetupToken && (
        <TextInput
          label={strings.setupToken}
          description={<Message text={strings.setupHint} />}
          autoComplete="off"
          autoFocus={needsSetupToken}
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
