import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { holdingsQuery, type Member, useRemoveMember } from "@/api/members";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { toast } from "@/ui/feedback/toast";
import { RelativeTime } from "@/ui/format/Values";
import classes from "./Members.module.css";
import { strings } from "./strings";

const SHOWN = 10;

type Props = { member: Member; onClose: () => void };

/** Asks before a member is removed, and lists what ends and what stays. */
export default function RemoveMember({ member, onClose }: Props) {
  const remove = useRemoveMember();
  return (
    <ConfirmDialog
      isOpen
      title={strings.removeTitle(member.name)}
      action={strings.remove}
      isPending={remove.isPending}
      onClose={onClose}
      onConfirm={() =>
        remove.mutate(member.id, {
          onSuccess: (removed) => {
            toast.success(strings.removed(member.name, removed.api_keys_revoked));
            onClose();
          },
          onError: (error) => {
            toast.failure(strings.notRemoved, error);
            onClose();
          },
        })
      }
    >
      {strings.removeText}
      <Held userId={member.id} />
    </ConfirmDialog>
  );
}

function Held({ userId }: { userId: string }) {
  const { data, error, refetch } = useQuery(holdingsQuery(userId));
  if (error) {
    return (
      <ErrorState error={error} title={strings.holdingsFailed} onRetry={() => void refetch()} />
    );
  }
  if (data === undefined) return <TextSkeleton lines={3} />;
  const { api_keys: keys, schedules, pipelines } = data;
  if (keys.length + schedules.length + pipelines.length === 0) {
    return <p className={classes.heldTitle}>{strings.nothingHeld}</p>;
  }
  return (
    <>
      <List title={strings.keysEnd} rows={keys}>
        {({ name, last_used_at }) => (
          <>
            {name}
            {last_used_at !== null && (
              <span className="dimmed">
                {" "}
                · {strings.lastUsed} <RelativeTime time={last_used_at} />
              </span>
            )}
          </>
        )}
      </List>
      <List title={strings.schedulesStay} rows={schedules}>
        {({ name }) => name}
      </List>
      <List title={strings.pipelinesStay} rows={pipelines}>
        {({ name }) => name}
      </List>
    </>
  );
}

type ListProps<Row> = { title: string; rows: readonly Row[]; children: (row: Row) => ReactNode };

function List<Row extends { id: string }>({ title, rows, children }: ListProps<Row>) {
  if (rows.length === 0) return null;
  return (
    <>
      <p className={classes.heldTitle}>{title}</p>
      <ul className={classes.held}>
        {rows.slice(0, SHOWN).map((row) => (
          <li key={row.id}>{children(row)}</li>
        ))}
        {rows.length > SHOWN && <li className="dimmed">{strings.more(rows.length - SHOWN)}</li>}
      </ul>
    </>
  );
}
