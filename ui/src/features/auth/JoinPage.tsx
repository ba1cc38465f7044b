import { Alert, Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { asApiError } from "@/api/errors";
import { mayHaveSession, type Session, sessionQuery, useEndOwnSession } from "@/api/session";
import { chooseWorkspace, dropWorkspace } from "@/api/workspace";
import {
  type InvitationBrief,
  invitationQuery,
  useJoinWorkspace,
  type Workspace,
  workspacesQuery,
} from "@/api/workspaces";
import { AuthPage } from "./AuthPage";
import type { Invited } from "./invited";
import { Register } from "./Register";
import { SignIn } from "./SignIn";
import { strings } from "./strings";
import { useHashToken } from "./useHashToken";

const texts = strings.join;

/** Opens an invitation. A new person registers with it, others sign in, and a signed-in person joins with one button. */
export function JoinPage() {
  const token = useHashToken("invitation");
  if (token !== null) return <Opened token={token} />;
  return (
    <AuthPage title={texts.incompleteTitle}>
      <Alert color="red">{texts.incomplete}</Alert>
      <OpenApp />
    </AuthPage>
  );
}

function Opened({ token }: { token: string }) {
  const invitation = useQuery({ ...invitationQuery(token), retry: false });
  const session = useQuery({ ...sessionQuery, enabled: mayHaveSession() });
  // The form stays while it signs in, which clears the queries.
  const [visitors, setVisitors] = useState<InvitationBrief | null>(null);
  const brief = invitation.data;
  if (visitors !== null) return <Form token={token} brief={visitors} />;
  if (invitation.error) {
    return <Refused error={invitation.error} onRetry={() => void invitation.refetch()} />;
  }
  if (brief === undefined || session.isLoading) {
    return (
      <AuthPage title={texts.loading}>
        <Button fullWidth loading>
          {texts.join}
        </Button>
      </AuthPage>
    );
  }
  if (!session.data) {
    setVisitors(brief);
    return null;
  }
  return session.data.user.email === brief.email && brief.workspace_name !== null ? (
    <Join token={token} brief={brief} session={session.data} />
  ) : (
    <AnotherAddress brief={brief} session={session.data} />
  );
}

function Form({ token, brief }: Omit<JoinProps, "session">) {
  const queryClient = useQueryClient();
  const enter = async () => {
    dropWorkspace();
    const session = await queryClient.fetchQuery(sessionQuery);
    const all = await queryClient.fetchQuery(workspacesQuery);
    // The workspace that the person has joined last comes last.
    open(
      all.findLast(({ name }) => name === brief.workspace_name),
      session?.user.id,
    );
  };
  const invited: Invited = {
    token,
    email: brief.email,
    title: titleOf(brief),
    intro: `${introOf(brief)} ${brief.has_account ? texts.introKnown : texts.introNew}`,
    // The person is signed in, and the first page shows what has failed.
    onJoined: () => void enter().catch(() => open(undefined)),
  };
  if (!brief.has_account) return <Register invited={invited} />;
  // An invitation to the server is for new people only.
  return brief.workspace_name === null ? <SignIn /> : <SignIn invited={invited} />;
}

/** Loads the app anew, so that no data of another workspace remains in memory. */
function open(workspace: Workspace | undefined, userId?: string): void {
  if (workspace !== undefined && userId !== undefined) {
    chooseWorkspace({ id: workspace.id, name: workspace.name, userId });
  }
  window.location.assign("/");
}

function titleOf({ workspace_name }: InvitationBrief): string {
  return workspace_name === null ? texts.titleServer : texts.title(workspace_name);
}

function introOf({ workspace_name, role }: InvitationBrief): string {
  return workspace_name === null ? texts.introServer : texts.intro(workspace_name, role ?? "");
}

type JoinProps = { token: string; brief: InvitationBrief; session: Session };

function Join({ token, brief, session }: JoinProps) {
  const join = useJoinWorkspace();
  const { id, email } = session.user;
  return (
    <AuthPage
      title={titleOf(brief)}
      intro={`${introOf(brief)} ${texts.signedInAs(email)}`}
      error={join.error}
      onSubmit={() => join.mutate(token, { onSuccess: (workspace) => open(workspace, id) })}
    >
      <Button type="submit" fullWidth loading={join.isPending || join.isSuccess}>
        {texts.join}
      </Button>
    </AuthPage>
  );
}

function AnotherAddress({ brief, session }: Omit<JoinProps, "token">) {
  const end = useEndOwnSession();
  const { email } = session.user;
  return (
    <AuthPage
      title={texts.otherTitle}
      intro={texts.other(brief.email, email)}
      error={end.error}
      onSubmit={() => end.mutate()}
    >
      <Button type="submit" fullWidth loading={end.isPending}>
        {texts.signOut}
      </Button>
      <Button fullWidth variant="default" renderRoot={(props) => <Link to="/" {...props} />}>
        {texts.stay}
      </Button>
    </AuthPage>
  );
}

function Refused({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const { code, message, isTransient } = asApiError(error);
  const isInvalid = code === "invitation_invalid";
  return (
    <AuthPage title={isInvalid ? texts.invalidTitle : texts.failedTitle}>
      <Alert color={isInvalid ? "yellow" : "red"} role="alert">
        {isInvalid ? texts.invalid : message}
      </Alert>
      {isTransient && (
        <Button fullWidth onClick={onRetry}>
          {texts.retry}
        </Button>
      )}
      <OpenApp />
    </AuthPage>
  );
}

function OpenApp() {
  return (
    <Button fullWidth variant="default" renderRoot={(props) => <Link to="/" {...props} />}>
      {texts.open}
    </Button>
  );
}
