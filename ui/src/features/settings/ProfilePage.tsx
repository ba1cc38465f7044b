import { Button } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { type LoginSession, sessionsQuery, useEndSession } from "@/api/account";
import { identitiesQuery } from "@/api/identities";
import { useUser } from "@/api/session";
import type { FailureSearch } from "@/features/sso/search";
import { toast } from "@/ui/feedback/toast";
import { RelativeTime } from "@/ui/format/Values";
import { PageHeader } from "@/ui/PageHeader";
import { type Column, DataTable } from "@/ui/table/DataTable";
import { ChangePassword } from "./ChangePassword";
import classes from "./Settings.module.css";
import { strings } from "./strings";

const Identities = lazy(() => import("@/features/sso/Identities"));
const SignInFailure = lazy(() => import("@/features/sso/SignInFailure"));

export function ProfilePage({ failure, provider }: FailureSearch) {
  const user = useUser();
  const { data: identities } = useSuspenseQuery(identitiesQuery);
  const { data: sessions } = useSuspenseQuery(sessionsQuery);
  const end = useEndSession();
  const endOne = (id: string) =>
    end.mutate(id, { onError: (error) => toast.failure("The session was not ended", error) });
  return (
    <>
      <PageHeader title={strings.profile} />
      {failure !== undefined && (
        <div className={classes.notice}>
          <Suspense fallback={null}>
            <SignInFailure failure={failure} provider={provider} />
          </Suspense>
        </div>
      )}
      <dl className={classes.facts}>
        <dt>{strings.name}</dt>
        <dd>{user.name || strings.unknown}</dd>
        <dt>{strings.email}</dt>
        <dd>{user.email}</dd>
        <dt>{strings.plan}</dt>
        <dd>
          {user.plan}
          {user.is_admin && `, ${strings.administrator.toLowerCase()} of this server`}
        </dd>
        <dt>{strings.memberSince}</dt>
        <dd>
          <RelativeTime time={user.created_at} />
        </dd>
      </dl>
      {identities.has_password && (
        <section className={classes.section} aria-labelledby="password">
          <h2 id="password" className={classes.heading}>
            {strings.changePassword}
          </h2>
          <ChangePassword email={user.email} />
        </section>
      )}
      <Suspense fallback={null}>
        <Identities />
      </Suspense>
      <section className={classes.section} aria-labelledby="sessions">
        <h2 id="sessions" className={classes.heading}>
          {strings.sessions}
        </h2>
        <p className={classes.text}>{strings.sessionsText}</p>
        <DataTable
          label={strings.sessions}
          columns={columns(endOne)}
          rows={sessions.data}
          rowId={(session) => session.id}
        />
      </section>
    </>
  );
}

function columns(onEnd: (id: string) => void): Column<LoginSession>[] {
  return [
    {
      id: "started",
      header: "Signed in",
      cell: (session) => <RelativeTime time={session.created_at} />,
    },
    {
      id: "expires",
      header: "Expires",
      wideOnly: true,
      cell: (session) => <RelativeTime time={session.expires_at} />,
    },
    {
      id: "end",
      header: <span className="visually-hidden">Actions</span>,
      width: "140px",
      align: "end",
      cell: (session) =>
        session.is_current ? (
          <span className="dimmed">{strings.thisSession}</span>
        ) : (
          <Button
            size="compact-sm"
            variant="subtle"
            color="red"
            aria-label={`${strings.endSession} the session of ${session.created_at}`}
            onClick={() => onEnd(session.id)}
          >
            {strings.endSession}
          </Button>
        ),
    },
  ];
}
