import { Alert, Anchor, Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useVerifyEmail } from "@/api/registration";
import { AuthPage } from "./AuthPage";
import { strings } from "./strings";
import { useHashToken } from "./useHashToken";

/** Verifies only after a click, because programs that scan email open its links. */
export function VerifyEmail() {
  const token = useHashToken("token");
  const verify = useVerifyEmail();
  if (token === null) {
    return (
      <AuthPage title={strings.verifyTitle}>
        <Alert color="red">{strings.verifyIncomplete}</Alert>
      </AuthPage>
    );
  }
  if (verify.isSuccess) {
    return (
      <AuthPage title={strings.verifyTitle}>
        <Alert color="green" role="status">
          {verify.data.email} is verified.
        </Alert>
        <Button renderRoot={(props) => <Link to="/" {...props} />}>{strings.continue}</Button>
      </AuthPage>
    );
  }
  return (
    <AuthPage
      title={strings.verifyTitle}
      intro={strings.verifyIntro}
      error={verify.error}
      onSubmit={() => verify.mutate(token)}
      footer={
        <Anchor renderRoot={(props) => <Link to="/forgot-password" {...props} />}>
          {strings.verifyNotMine}
        </Anchor>
      }
    >
      <Button type="submit" fullWidth loading={verify.isPending}>
        {strings.verify}
      </Button>
    </AuthPage>
  );
}
