import { Button } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useCan } from "@/api/access";
import { type ApiKey, type CreatedApiKey, keysQuery, useRevokeKey } from "@/api/keys";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { toast } from "@/ui/feedback/toast";
import { PageHeader } from "@/ui/PageHeader";
import type { Column } from "@/ui/table/columns";
import { DataTable } from "@/ui/table/DataTable";
import { keyColumns } from "./keyColumns";
import { ServiceKeys } from "./ServiceKeys";
import classes from "./Settings.module.css";
import { strings } from "./strings";

const CreateKey = lazy(() => import("./CreateKey"));
const NewKey = lazy(() => import("./NewKey"));
const RollKey = lazy(() => import("./RollKey"));

type Dialog = { kind: "create" } | { kind: "roll" | "revoke"; key: ApiKey };

export function KeysPage() {
  const { data: keys } = useSuspenseQuery(keysQuery);
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const [created, setCreated] = useState<CreatedApiKey | null>(null);
  const close = () => setDialog(null);
  const show = (key: CreatedApiKey) => {
    close();
    setCreated(key);
  };
  const create = <Button onClick={() => setDialog({ kind: "create" })}>{strings.createKey}</Button>;
  const isAdmin = useCan("workspace:admin");
  const isEmpty = keys.data.length === 0;
  return (
    <>
      <PageHeader title={strings.keys} description={strings.keysDescription} />
      <div className={classes.titled}>
        <h2 id="personal-keys" className={classes.heading}>
          {strings.personalKeys}
        </h2>
        {!isEmpty && create}
      </div>
      <p className={classes.text}>{strings.personalKeyText}</p>
      {isEmpty ? (
        <EmptyState title={strings.noKeys} icon={KeyRound} actions={create}>
          {strings.noKeysText}
        </EmptyState>
      ) : (
        <DataTable
          label={strings.personalKeys}
          columns={[...keyColumns, actions(setDialog)]}
          rows={keys.data}
          rowId={(key) => key.id}
        />
      )}
      {isAdmin && <ServiceKeys onCreated={setCreated} />}
      <Suspense fallback={null}>
        {dialog?.kind === "create" && <CreateKey onClose={close} onCreated={show} />}
        {dialog?.kind === "roll" && (
          <RollKey apiKey={dialog.key} onClose={close} onCreated={show} />
        )}
        {created !== null && <NewKey created={created} onClose={() => setCreated(null)} />}
      </Suspense>
      {dialog?.kind === "revoke" && <Revoke apiKey={dialog.key} onClose={close} />}
    </>
  );
}

function actions(open: (dialog: Dialog) => void): Column<ApiKey> {
  return {
    id: "actions",
    header: <span className="visually-hidden">Actions</span>,
    width: "150px",
    cell: (key) => (
      <div className={classes.actions}>
        <Button
          size="compact-sm"
          variant="subtle"
          aria-label={`${strings.roll} ${key.name}`}
          onClick={() => open({ kind: "roll", key })}
        >
          {strings.roll}
        </Button>
        <Button
          size="compact-sm"
          variant="subtle"
          color="red"
          aria-label={`${strings.revoke} ${key.name}`}
          onClick={() => open({ kind: "revoke", key })}
        >
          {strings.revoke}
        </Button>
      </div>
    ),
  };
}

function Revoke({ apiKey, onClose }: { apiKey: ApiKey; onClose: () => void }) {
  const revoke = useRevokeKey();
  return (
    <ConfirmDialog
      isOpen
      title={`Revoke the key “${apiKey.name}”?`}
      action={strings.revoke}
      isPending={revoke.isPending}
      onClose={onClose}
      onConfirm={() =>
        revoke.mutate(apiKey.id, {
          onSuccess: () => {
            toast.success(`The key “${apiKey.name}” is revoked.`);
            onClose();
          },
          onError: (error) => toast.failure("The key was not revoked", error),
        })
      }
    >
      {strings.revokeText}
    </ConfirmDialog>
  );
}
