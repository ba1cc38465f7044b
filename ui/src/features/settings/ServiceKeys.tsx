import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import type { CreatedApiKey } from "@/api/keys";
import { type Member, membersQuery } from "@/api/members";
import { type ServiceKey, serviceKeysQuery, useRevokeServiceKey } from "@/api/serviceKeys";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TableSkeleton } from "@/ui/feedback/Skeletons";
import { toast } from "@/ui/feedback/toast";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import { keyColumns } from "./keyColumns";
import classes from "./Settings.module.css";
import { strings } from "./strings";

const CreateKey = lazy(() => import("./CreateKey"));

/** The keys of the workspace, for admins. */
export function ServiceKeys({ onCreated }: { onCreated: (key: CreatedApiKey) => void }) {
  const { data: keys, error, refetch } = useQuery(serviceKeysQuery);
  const { data: members } = useQuery(membersQuery);
  const [isCreating, setCreating] = useState(false);
  const [revoked, setRevoked] = useState<ServiceKey | null>(null);
  const close = () => setCreating(false);
  return (
    <section className={classes.section} aria-labelledby="service-keys">
      <div className={classes.titled}>
        <h2 id="service-keys" className={classes.heading}>
          {strings.serviceKeys}
        </h2>
        <Button variant="default" onClick={() => setCreating(true)}>
          {strings.createServiceKey}
        </Button>
      </div>
      <p className={classes.text}>
        {strings.serviceKeyText} {keys?.length === 0 && strings.noServiceKeys}
      </p>
      {error && keys === undefined && <ErrorState error={error} onRetry={() => void refetch()} />}
      {!error && keys === undefined && <TableSkeleton columns={5} rows={2} />}
      {keys !== undefined && keys.length > 0 && (
        <DataTable
          label={strings.serviceKeys}
          columns={[...keyColumns, createdBy(members), actions(setRevoked)]}
          rows={keys}
          rowId={({ id }) => id}
        />
      )}
      {isCreating && (
        <Suspense fallback={null}>
          <CreateKey
            isService
            onClose={close}
            onCreated={(key) => {
              close();
              onCreated(key);
            }}
          />
        </Suspense>
      )}
      {revoked !== null && <Revoke serviceKey={revoked} onClose={() => setRevoked(null)} />}
    </section>
  );
}

function createdBy(members: readonly Member[] | undefined): Column<ServiceKey> {
  return {
    id: "creator",
    header: strings.createdBy,
    width: "130px",
    wideOnly: true,
    cell: ({ created_by }) => (
      <span className={classes.creator}>
        {members === undefined ? "–" : nameOf(members, created_by)}
      </span>
    ),
  };
}

function nameOf(members: readonly Member[], userId: string | null): string {
  return members.find(({ id }) => id === userId)?.name ?? strings.formerMember;
}

function actions(onRevoke: (key: ServiceKey) => void): Column<ServiceKey> {
  return {
    id: "actions",
    header: <span className="visually-hidden">Actions</span>,
    width: "100px",
    cell: (key) => (
      <div className={classes.actions}>
        <Button
          size="compact-sm"
          variant="subtle"
          color="red"
          aria-label={`${strings.revoke} ${key.name}`}
          onClick={() => onRevoke(key)}
        >
          {strings.revoke}
        </Button>
      </div>
    ),
  };
}

function Revoke({ serviceKey, onClose }: { serviceKey: ServiceKey; onClose: () => void }) {
  const revoke = useRevokeServiceKey();
  return (
    <ConfirmDialog
      isOpen
      title={`Revoke the service key “${serviceKey.name}”?`}
      action={strings.revoke}
      isPending={revoke.isPending}
      onClose={onClose}
      onConfirm={() =>
        revoke.mutate(serviceKey.id, {
          onSuccess: () => {
            toast.success(`The service key “${serviceKey.name}” is revoked.`);
            onClose();
          },
          onError: (error) => toast.failure("The service key was not revoked", error),
        })
      }
    >
      {strings.revokeText}
    </ConfirmDialog>
  );
}
