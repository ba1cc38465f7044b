import { useQuery } from "@tanstack/react-query";
import { useNavigate, useRouter } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { deviceLoginQuery } from "@/api/deviceLogin";
import { asApiError } from "@/api/errors";
import { type Session, sessionQuery } from "@/api/session";
import { Confirm } from "./Confirm";
import { EnterCode, Failed, Loading } from "./EnterCode";
import { type CodeSearch, shownCode } from "./search";

/** Confirms a login of `stepiq`: a person enters or compares the code, and decides. */
export function DevicePage({ code }: CodeSearch) {
  const { data: session } = useQuery(sessionQuery);
  const navigate = useNavigate();
  if (!session) return <SignedOut />;
  const show = (next: string | undefined) =>
    void navigate({ to: "/device", search: { code: next } });
  if (code === undefined) return <EnterCode onSubmit={show} />;
  return <Opened key={code} code={shownCode(code)} session={session} onCode={show} />;
}

type OpenedProps = {
  code: string;
  session: Session;
  onCode: (code: string | undefined) => void;
};

function Opened({ code, session, onCode }: OpenedProps) {
  const [workspaceId, setWorkspaceId] = useState(session.user.workspace.id);
  const login = useQuery(deviceLoginQuery(code, workspaceId));
  if (login.error) {
    const { code: problem, status } = asApiError(login.error);
    if (problem === "user_code_not_found" || status === 422) {
      return <EnterCode code={code} error={login.error} onSubmit={onCode} />;
    }
    return (
      <Failed
        error={login.error}
        onRetry={() => void login.refetch()}
        onAnother={() => onCode(undefined)}
      />
    );
  }
  if (login.data === undefined) return <Loading />;
  return (
    <Confirm
      code={code}
      login={login.data}
      isStale={login.isPlaceholderData}
      session={session}
      workspaceId={workspaceId}
      onWorkspace={setWorkspaceId}
    />
  );
}

/** Leads to the sign-in page, which returns here. */
function SignedOut() {
  const router = useRouter();
  const [next] = useState(() => router.state.location.href);
  useEffect(
    () => void router.navigate({ to: "/login", search: { next }, replace: true }),
    [router, next],
  );
  return null;
}
