import { Button } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { useState } from "react";
import {
  type LoginSession,
  sessionsQuery,
  useEndOtherSessions,
  useEndSession,
} from "@/api/account";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { toast } from "@/ui/feedback/toast";
import { RelativeTime } from "@/ui/format/Values";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import classes from "./Settings.module.css";
import { strings } from "./strings";

/** The sessions of the signed-in user, with buttons that end them. */
export function Sessions() {
  const { data: sessions } = useSuspenseQuery(sessionsQuery);
  const end = useEndSession();
  const endOne = (id: string) =>
    end.mutate(id, { onError: (error) => toast.failure(strings.sessionNotEnded, error) });
  return (
    <>
      <p className={classes.text}>{strings.sessionsText}</p>
      <DataTable
        label={strings.sessions}
        columns={columns(endOne)}
        rows={sessions.data}
        rowId={(session) => session.id}
      />
      {sessions.data.length > 1 && <EndOthers />}
    </>
  );
}

function EndOthers() {
  const [isAsking, setAsking] = useState(false);
  const end = useEndOtherSessions();
  const close = () => setAsking(false);
  return (
    <div className={classes.below}>
      <Button variant="default" onClick={() => setAsking(true)}>
        {strings.endOthers}
      </Button>
      <ConfirmDialog
        isOpen={isAsking}
        title={strings.endOthersTitle}
        action={strings.endOthersAction}
        isPending={end.isPending}
        onClose={close}
        onConfirm={() =>
          end.mutate(undefined, {
            onSuccess: ({ sessions_ended }) => {
              toast.success(strings.othersEnded(sessions_ended));
              close();
            },
            onError: (error) => toast.failure(strings.othersNotEnded, error),
          })
        }
      >
        {strings.endOthersText}
      </ConfirmDialog>
    </div>
  );
}

function columns(onEnd: (id: string) => void): Column<LoginSession>[] {
  return [
    {
      id: "device",
      header: strings.device,
      cell: (session) => (
        <span className="truncate">{session.device ?? strings.unknownDevice}</span>
      ),
    },
    {
      id: "client",
      header: strings.address,
      wideOnly: true,
      cell: (session) => <span className="numeric">{session.client ?? strings.unknown}</span>,
    },
    {
      id: "started",
      header: strings.signedIn,
      wideOnly: true,
      cell: (session) => <RelativeTime time={session.created_at} />,
    },
    {
      id: "used",
      header: strings.lastUsed,
      cell: (session) => <RelativeTime time={session.last_used_at} />,
    },
    {
      id: "end",
      header: <span className="visually-hidden">Actions</span>,
      width: "120px",
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
