import { Badge, Button, NativeSelect, Tooltip } from "@mantine/core";
import { canManage, type Role, rolesToGive } from "@/api/access";
import type { Member } from "@/api/members";
import type { User } from "@/api/session";
import { RelativeTime } from "@/ui/format/Values";
import type { Column } from "@/ui/table/columns";
import classes from "./Members.module.css";
import { strings } from "./strings";

type Context = {
  me: User;
  /** The change that is being sent. */
  changing: { id: string; role: Role } | null;
  onRole: (member: Member, role: Role) => void;
  onRemove: (member: Member) => void;
  onLeave: () => void;
};

export function memberColumns(context: Context): Column<Member>[] {
  return [
    {
      id: "name",
      header: strings.name,
      cell: (member) => <Person member={member} isMe={member.id === context.me.id} />,
    },
    {
      id: "email",
      header: strings.email,
      wideOnly: true,
      cell: ({ email }) => <span className="truncate">{email}</span>,
    },
    {
      id: "role",
      header: strings.role,
      width: "130px",
      cell: (member) => <RoleCell {...context} member={member} />,
    },
    {
      id: "joined",
      header: strings.joined,
      width: "130px",
      wideOnly: true,
      cell: ({ joined_at }) => <RelativeTime time={joined_at} />,
    },
    {
      id: "actions",
      header: <span className="visually-hidden">{strings.actions}</span>,
      width: "90px",
      cell: (member) => <Actions {...context} member={member} />,
    },
  ];
}

function Person({ member, isMe }: { member: Member; isMe: boolean }) {
  return (
    <span className={classes.person} dir="ltr">
      <span className="truncate" title={member.email} dir="auto">
        {member.name}
      </span>
      {isMe && <span className="dimmed">({strings.you})</span>}
      {member.disabled && (
        <Tooltip label={strings.disabledHint}>
          <Badge variant="outline" tt="none" color="gray">
            {strings.disabled}
          </Badge>
        </Tooltip>
      )}
    </span>
  );
}

function RoleCell(context: Context & { member: Member }) {
  const { member, me, changing, onRole } = context;
  if (!canManage(me.role, member.role)) return member.role;
  const sent = changing?.id === member.id ? changing.role : null;
  return (
    <NativeSelect
      size="xs"
      className={classes.role}
      aria-label={strings.roleOf(member.email)}
      data={rolesToGive(me.role)}
      value={sent ?? member.role}
      disabled={sent !== null}
      onChange={(event) => onRole(member, event.currentTarget.value as Role)}
    />
  );
}

function Actions(context: Context & { member: Member }) {
  const { member, me, onRemove, onLeave } = context;
  const isMe = member.id === me.id;
  if (!isMe && !canManage(me.role, member.role)) return null;
  return (
    <div className={classes.actions}>
      <Button
        size="compact-sm"
        variant="subtle"
        color="red"
        aria-label={isMe ? undefined : strings.removeName(member.email)}
        onClick={() => (isMe ? onLeave() : onRemove(member))}
      >
        {isMe ? strings.leave : strings.remove}
      </Button>
    </div>
  );
}
