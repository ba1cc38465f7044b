import { Button } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { includes, ROLES, type Role, useCan } from "@/api/access";
import { type CreatedInvitation, type Member, membersQuery, useChangeRole } from "@/api/members";
import { useUser } from "@/api/session";
import { ROLE_TEXTS } from "@/features/workspaces/strings";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { toast } from "@/ui/feedback/toast";
import { PageHeader } from "@/ui/PageHeader";
import { DataTable } from "@/ui/table/DataTable";
import { Invitations } from "./Invitations";
import classes from "./Members.module.css";
import { memberColumns } from "./memberColumns";
import { strings } from "./strings";

const InviteDialog = lazy(() => import("./InviteDialog"));
const InvitationLink = lazy(() => import("./InvitationLink"));
const RemoveMember = lazy(() => import("./RemoveMember"));
const LeaveWorkspace = lazy(() => import("@/features/workspaces/LeaveWorkspace"));

type Dialog =
  | { kind: "invite" | "leave" }
  | { kind: "link"; invitation: CreatedInvitation }
  | { kind: "remove"; member: Member }
  | { kind: "lower"; role: Role };

/** The members of the workspace and the open invitations to it. */
export function MembersPage() {
  const { data: members } = useSuspenseQuery(membersQuery);
  const user = useUser();
  const isAdmin = useCan("workspace:admin");
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const close = () => setDialog(null);
  const change = useChangeRole();
  const setRole = (member: Member, role: Role) => {
    close();
    change.mutate(
      { id: member.id, role },
      {
        onSuccess: () => toast.success(strings.roleChanged(member.name, role)),
        onError: (error) => toast.failure(strings.roleNotChanged, error),
      },
    );
  };
  const ask = (member: Member, role: Role) => {
    const isLower = member.id === user.id && !includes(role, user.role);
    if (isLower) setDialog({ kind: "lower", role });
    else setRole(member, role);
  };
  const me = members.find(({ id }) => id === user.id);
  return (
    <>
      <PageHeader
        title={strings.title}
        description={strings.description}
        actions={
          isAdmin && <Button onClick={() => setDialog({ kind: "invite" })}>{strings.invite}</Button>
        }
      />
      <DataTable
        label={strings.title}
        columns={memberColumns({
          me: user,
          changing: change.isPending ? change.variables : null,
          onRole: ask,
          onRemove: (member) => setDialog({ kind: "remove", member }),
          onLeave: () => setDialog({ kind: "leave" }),
        })}
        rows={members}
        rowId={({ id }) => id}
      />
      {isAdmin && <Invitations members={members} />}
      <section className={classes.section} aria-labelledby="roles">
        <h2 id="roles" className={classes.heading}>
          {strings.rolesTitle}
        </h2>
        <dl className={classes.roles}>
          {ROLES.map((role) => (
            <Fact key={role} name={role} text={ROLE_TEXTS[role]} />
          ))}
        </dl>
      </section>
      <Suspense fallback={null}>
        {dialog?.kind === "invite" && (
          <InviteDialog
            onClose={close}
            onCreated={(invitation) => setDialog({ kind: "link", invitation })}
          />
        )}
        {dialog?.kind === "link" && (
          <InvitationLink
            invitation={dialog.invitation}
            onClose={close}
            onAnother={() => setDialog({ kind: "invite" })}
          />
        )}
        {dialog?.kind === "remove" && <RemoveMember member={dialog.member} onClose={close} />}
        {dialog?.kind === "leave" && <LeaveWorkspace name={user.workspace.name} onClose={close} />}
      </Suspense>
      {dialog?.kind === "lower" && me !== undefined && (
        <ConfirmDialog
          isOpen
          title={strings.lowerTitle(dialog.role)}
          action={strings.lower}
          onConfirm={() => setRole(me, dialog.role)}
          onClose={close}
        >
          {strings.lowerText}
        </ConfirmDialog>
      )}
    </>
  );
}

function Fact({ name, text }: { name: string; text: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{text}</dd>
    </>
  );
}
