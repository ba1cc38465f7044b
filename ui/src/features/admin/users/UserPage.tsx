import { Badge, Button } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { type AdminUserDetail, type UserWorkspace, userQuery } from "@/api/adminUsers";
import { useUser } from "@/api/session";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { RelativeTime } from "@/ui/format/Values";
import { PageHeader } from "@/ui/PageHeader";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import classes from "../Admin.module.css";
import { strings } from "./strings";
import type { Asked } from "./UserDialogs";
import { stateOf } from "./userColumns";

const UserDialogs = lazy(() => import("./UserDialogs"));

/** One account: its state, its workspaces, and what an administrator can do with it. */
export function UserPage({ id }: { id: string }) {
  const { data: user } = useSuspenseQuery(userQuery(id));
  const [asked, setAsked] = useState<Asked | null>(null);
  const isSelf = useUser().id === id;
  const actions = actionsFor(user, isSelf);
  return (
    <>
      <PageHeader
        title={user.email}
        description={user.name}
        parents={[{ label: strings.users, href: "/admin/users" }]}
        beside={
          <Badge variant="outline" tt="none" color={user.disabled ? "red" : "gray"}>
            {stateOf(user)}
          </Badge>
        }
      />
      <dl className={classes.facts}>
        <dt>{strings.created}</dt>
        <dd>
          <RelativeTime time={user.created_at} />
        </dd>
        <dt>{strings.verified}</dt>
        <dd>{user.email_verified ? strings.isVerified : strings.unverified}</dd>
        <dt>{strings.twoFactor}</dt>
        <dd>{user.two_factor ? strings.on : strings.off}</dd>
        <dt>{strings.sessions}</dt>
        <dd className="numeric">{user.sessions}</dd>
        <dt>{strings.keys}</dt>
        <dd className="numeric">{user.api_keys}</dd>
      </dl>
      {isSelf && <p className={classes.text}>{strings.ownAccount}</p>}
      <div className={classes.actions} data-page-actions>
        {actions.map(({ label, ask, isDangerous }) => (
          <Button
            key={label}
            variant="default"
            color={isDangerous ? "red" : undefined}
            onClick={() => setAsked(ask)}
          >
            {label}
          </Button>
        ))}
      </div>
      <section aria-labelledby="workspaces" className={classes.section}>
        <h2 id="workspaces" className={classes.heading}>
          {strings.workspaces}
        </h2>
        {user.memberships.length === 0 ? (
          <EmptyState title={strings.noWorkspaces} />
        ) : (
          <DataTable
            label={strings.workspaces}
            columns={COLUMNS}
            rows={user.memberships}
            rowId={(workspace) => workspace.id}
          />
        )}
      </section>
      {asked !== null && (
        <Suspense>
          <UserDialogs asked={asked} user={user} onClose={() => setAsked(null)} />
        </Suspense>
      )}
    </>
  );
}

type Action = { label: string; ask: Asked; isDangerous?: boolean };

function actionsFor(user: AdminUserDetail, isSelf: boolean): Action[] {
  const actions: Action[] = [{ label: strings.reset, ask: "reset" }];
  if (!user.email_verified) actions.push({ label: strings.verify, ask: "verify" });
  if (isSelf) return actions;
  if (user.two_factor) actions.push({ label: strings.turnOffTwoFactor, ask: "turnOffTwoFactor" });
  actions.push(
    user.is_admin
      ? { label: strings.unmakeAdmin, ask: "unmakeAdmin" }
      : { label: strings.makeAdmin, ask: "makeAdmin" },
    user.disabled
      ? { label: strings.enable, ask: "enable" }
      : { label: strings.disable, ask: "disable" },
    { label: strings.delete, ask: "delete", isDangerous: true },
  );
  return actions;
}

const COLUMNS: Column<UserWorkspace>[] = [
  {
    id: "name",
    header: strings.workspace,
    cell: ({ id, name }) => (
      <Link
        to="/admin/workspaces/$workspaceId"
        params={{ workspaceId: id }}
        className={classes.link}
      >
        {name}
      </Link>
    ),
  },
  {
    id: "role",
    header: strings.role,
    cell: ({ role, owners }) => (role === "owner" && owners === 1 ? strings.onlyOwner : role),
  },
  {
    id: "members",
    header: strings.members,
    align: "end",
    width: "100px",
    cell: ({ members }) => <span className="numeric">{members}</span>,
  },
];
