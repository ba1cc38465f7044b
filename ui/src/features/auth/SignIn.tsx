import { Anchor, Button, PasswordInput, TextInput } from "@mantine/core";
import { Link, useRouter } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { asApiError } from "@/api/errors";
import { useSignIn } from "@/api/session";
import type { FailureSearch } from "@/features/sso/search";
import { AuthPage } from "./AuthPage";
import classes from "./AuthPage.module.css";
import { strings } from "./strings";

const EnterCode = lazy(() => import("./EnterCode"));
const ProviderButtons = lazy(() => import("@/features/sso/ProviderButtons"));
const SignInFailure = lazy(() => import("@/features/sso/SignInFailure"));

export function SignIn({ next, failure, provider }: { next?: string } & FailureSearch) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [needsCode, setNeedsCode] = useState(false);
  const signIn = useSignIn();
  const router = useRouter();
  const errors = signIn.error ? asApiError(signIn.error).fieldErrors : {};
  const submit = (code?: string) =>
    signIn.mutate(
      { email, password, code },
      {
        onSuccess: () => void router.navigate({ href: next ?? "/", replace: true }),
        onError: (error) => asApiError(error).code === "totp_required" && setNeedsCode(true),
      },
    );
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
      title={strings.signIn}
      error={signIn.error}
      fields={["email", "password"]}
      onSubmit={() => submit()}
      footer={
        <>
          {strings.noAccount}{" "}
          <Anchor renderRoot={(props) => <Link to="/register" search={{ next }} {...props} />}>
            {strings.createAccount}
          </Anchor>
        </>
      }
    >
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
        autoFocus
        value={email}
        error={errors.email}
        onChange={(event) => setEmail(event.currentTarget.value)}
      />
      <PasswordInput
        label={strings.password}
        name="password"
        autoComplete="current-password"
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
        {strings.signIn}
      </Button>
      <Suspense fallback={null}>
        <ProviderButtons next={next} />
      </Suspense>
    </AuthPage>
  );
}
