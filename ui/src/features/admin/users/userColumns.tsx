import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { AdminUser } from "@/api/adminUsers";
import { RelativeTime } from "@/ui/format/Values";
import type { Column } from "@/ui/table/columns";
import classes from "../Admin.module.css";
import { strings } from "./strings";

type Options = {
  /** The signed-in administrator, who cannot disable the own account. */
  ownId: string;
  onDisable: (user: AdminUser) => void;
  onEnable: (user: AdminUser) => void;
};

export function stateOf(user: AdminUser): string {
  if (user.disabled) return strings.disabled;
  if (user.is_admin) return strings.administrator;
  return user.email_verified ? strings.active : strings.unverified;
}

export function userColumns({ ownId, onDisable, onEnable }: Options): Column<AdminUser>[] {
  return [
    {
      id: "email",
      header: strings.email,
      cell: ({ id, email }) => (
        <Link to="/admin/users/$userId" params={{ userId: id }} className={classes.link}>
          {email}
        </Link>
      ),
    },
    {
      id: "name",
      header: strings.name,
      wideOnly: true,
      cell: (user) => <span className="truncate">{user.name}</span>,
    },
    {
      id: "workspaces",
      header: strings.workspaces,
      width: "110px",
      align: "end",
      wideOnly: true,
      cell: ({ workspaces }) => <span className="numeric">{workspaces}</span>,
    },
    { id: "state", header: strings.state, width: "130px", cell: stateOf },
    {
      id: "created",
      header: strings.created,
      width: "110px",
      wideOnly: true,
      cell: (user) => <RelativeTime time={user.created_at} />,
    },
    {
      id: "actions",
      header: <span className="visually-hidden">{strings.actions}</span>,
      width: "110px",
      align: "end",
      cell: (user) =>
        user.id !== ownId && (
          <Button
            size="compact-sm"
            variant="subtle"
            color={user.disabled ? undefined : "red"}
            aria-label={`${user.disabled ? strings.enable : strings.disable} ${user.email}`}
            onClick={() => (user.disabled ? onEnable(user) : onDisable(user))}
          >
            {user.disabled ? strings.enable : strings.disable}
          </Button>
        ),
    },
  ];
}
