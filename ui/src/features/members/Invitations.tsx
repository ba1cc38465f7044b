import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import {
  type Invitation,
  invitationsQuery,
  type Member,
  useWithdrawInvitation,
} from "@/api/members";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TableSkeleton } from "@/ui/feedback/Skeletons";
import { toast } from "@/ui/feedback/toast";
import { RelativeTime } from "@/ui/format/Values";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import classes from "./Members.module.css";
import { strings } from "./strings";

/** The invitations that nobody has used yet. */
export function Invitations({ members }: { members: readonly Member[] }) {
  const { data, error, refetch } = useQuery(invitationsQuery);
  const withdraw = useWithdrawInvitation();
  const onWithdraw = ({ id, email }: Invitation) =>
    withdraw.mutate(id, {
      onSuccess: () => toast.success(strings.withdrawn(email)),
      onError: (failure) => toast.failure(strings.notWithdrawn, failure),
    });
  return (
    <section className={classes.section} aria-labelledby="invitations">
      <h2 id="invitations" className={classes.heading}>
        {strings.invitations}
      </h2>
      <p className={classes.text}>
        {data?.length === 0 ? strings.noInvitations : strings.invitationsHint}
      </p>
      {error && data === undefined && <ErrorState error={error} onRetry={() => void refetch()} />}
      {!error && data === undefined && <TableSkeleton columns={4} rows={2} />}
      {data !== undefined && data.length > 0 && (
        <DataTable
          label={strings.invitations}
          columns={columns(members, onWithdraw)}
          rows={data}
          rowId={({ id }) => id}
        />
      )}
    </section>
  );
}

function columns(
  members: readonly Member[],
  onWithdraw: (invitation: Invitation) => void,
): Column<Invitation>[] {
  const nameOf = (id: string | null) => members.find((member) => member.id === id)?.name;
  return [
    {
      id: "email",
      header: strings.email,
      cell: ({ email }) => (
        <span className={classes.email} title={email}>
          {email}
        </span>
      ),
    },
    { id: "role", header: strings.role, width: "130px", cell: ({ role }) => role },
    {
      id: "by",
      header: strings.invitedBy,
      wideOnly: true,
      cell: ({ invited_by }) => (
        <span className="truncate">{nameOf(invited_by) ?? strings.unknown}</span>
      ),
    },
    {
      id: "expires",
      header: strings.expires,
      width: "130px",
      wideOnly: true,
      cell: ({ expires_at }) => <RelativeTime time={expires_at} />,
    },
    {
      id: "actions",
      header: <span className="visually-hidden">{strings.actions}</span>,
      width: "100px",
      cell: (invitation) => (
        <div className={classes.actions}>
          <Button
            size="compact-sm"
            variant="subtle"
            color="red"
            aria-label={strings.withdrawName(invitation.email)}
            onClick={() => onWithdraw(invitation)}
          >
            {strings.withdraw}
          </Button>
        </div>
      ),
    },
  ];
}
