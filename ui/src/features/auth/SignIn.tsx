import { Anchor, Button, PasswordInput, TextInput } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { asApiError } from "@/api/errors";
import { hasSessionEnded, useSignIn } from "@/api/session";
import type { FailureSearch } from "@/features/sso/search";
import { fieldErrors } from "@/ui/feedback/fieldErrors";
import { AuthPage } from "./AuthPage";
import classes from "./AuthPage.module.css";
import type { Invited } from "./invited";
import { strings } from "./strings";
import { useOpenNext } from "./useOpenNext";

const EnterCode = lazy(() => import("./EnterCode"));
const ProviderButtons = lazy(() => import("@/features/sso/ProviderButtons"));
const SignInFailure = lazy(() => import("@/features/sso/SignInFailure"));
const SetupHint = lazy(() => import("./SetupHint"));
const NoWorkspace = lazy(() => import("./NoWorkspace"));

type Props = FailureSearch & {
  next?: string;
  /** The invitation that the person uses by signing in. */
  invited?: Invited;
};

export function SignIn({ next, invited, failure, provider }: Props) {
  const [email, setEmail] = useState(invited?.email ?? "");
  const [password, setPassword] = useState("");
  const [needsCode, setNeedsCode] = useState(false);
  const signIn = useSignIn();
  const openNext = useOpenNext(next);
  const errors = fieldErrors(signIn.error);
  const submit = (code?: string) =>
    signIn.mutate(
      { email, password, code, invitation: invited?.token },
      {
        onSuccess: invited?.onJoined ?? openNext,
        onError: (error) => asApiError(error).code === "totp_required" && setNeedsCode(true),
      },
    );
  if (signIn.error && asApiError(signIn.error).code === "no_workspace") {
    return (
      <Suspense fallback={null}>
        <NoWorkspace />
      </Suspense>
    );
  }
  if (needsCode) {
    const back = () => {
      setNeedsCode(false);
      setPassword("");
      signIn.reset();
    };
    return (
      <Suspense fallback={null}>
        <EnterCode
          error={signIn.error}
          isPending={signIn.isPending}
          onSubmit={submit}
          onBack={back}
        />
      </Suspense>
    );
  }
  return (
    <AuthPage
      title={invited?.title ?? strings.signIn}
      intro={invited?.intro ?? (hasSessionEnded() ? strings.ended : undefined)}
      error={signIn.error}
      fields={["email", "password"]}
      onSubmit={() => submit()}
      footer={
        invited ? (
          <Anchor renderRoot={(props) => <Link to="/login" {...props} />}>
            {strings.join.otherWay}
          </Anchor>
        ) : (
          <>
            {strings.noAccount}{" "}
            <Anchor renderRoot={(props) => <Link to="/register" search={{ next }} {...props} />}>
              {strings.createAccount}
            </Anchor>
          </>
        )
      }
    >
      {!invited && (
        <Suspense fallback={null}>
          <SetupHint />
        </Suspense>
      )}
      {failure !== undefined && signIn.error === null && (
        <Suspense fallback={null}>
          <SignInFailure failure={failure} provider={provider} />
        </Suspense>
      )}
      <TextInput
        label={strings.email}
        type="email"
        name="email"
        autoComplete="username"
        autoFocus={!invited}
        readOnly={invited !== undefined}
        value={email}
        error={errors.email}
        onChange={(event) => setEmail(event.currentTarget.value)}
      />
      <PasswordInput
        label={strings.password}
        name="password"
        autoComplete="current-password"
        autoFocus={invited !== undefined}
        value={password}
        error={errors.password}
        onChange={(event) => setPassword(event.currentTarget.value)}
      />
      <div className={classes.beside}>
        <Anchor size="sm" renderRoot={(props) => <Link to="/forgot-password" {...props} />}>
          {strings.forgot}
        </Anchor>
      </div>
      <Button type="submit" fullWidth loading={signIn.isPending}>
        {invited ? strings.signInAndJoin : strings.signIn}
      </Button>
      {!invited && (
        <Suspense fallback={null}>
          <ProviderButtons next={next} />
        </Suspense>
      )}
    </AuthPage>
  );
}
