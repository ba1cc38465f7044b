import { Alert, Button } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { Lock } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { missingSecretsQuery, type Secret, secretsQuery, useDeleteSecret } from "@/api/secrets";
import { ConfirmDialog } from "@/ui/feedback/ConfirmDialog";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { toast } from "@/ui/feedback/toast";
import { PageHeader } from "@/ui/PageHeader";
import { DataTable } from "@/ui/table/DataTable";
import classes from "./Settings.module.css";
import { missingColumns, secretColumns } from "./secretColumns";
import { strings } from "./strings";

const SetSecret = lazy(() => import("./SetSecret"));

type Dialog = { kind: "set"; name: string; isFixed: boolean } | { kind: "delete"; secret: Secret };

export function SecretsPage() {
  const { data: secrets } = useSuspenseQuery(secretsQuery);
  const { data: missing } = useSuspenseQuery(missingSecretsQuery);
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const close = () => setDialog(null);
  const setNamed = (name: string) => setDialog({ kind: "set", name, isFixed: true });
  const set = (
    <Button onClick={() => setDialog({ kind: "set", name: "", isFixed: false })}>
      {strings.setSecret}
    </Button>
  );
  const isEmpty = secrets.data.length === 0;
  return (
    <>
      <PageHeader
        title={strings.secrets}
        description={strings.secretsDescription}
        actions={isEmpty ? undefined : set}
      />
      {missing.data.length > 0 && (
        <section aria-labelledby="missing" className={classes.form}>
          <Alert color="yellow">
            <strong id="missing">{strings.missing}.</strong> {strings.missingText}
          </Alert>
          <DataTable
            label={strings.missing}
            columns={missingColumns(setNamed)}
            rows={missing.data}
            rowId={(each) => each.name}
          />
        </section>
      )}
      <div className={missing.data.length > 0 ? classes.section : undefined}>
        {isEmpty ? (
          <EmptyState title={strings.noSecrets} icon={Lock} actions={set}>
            {strings.noSecretsText}
          </EmptyState>
        ) : (
          <DataTable
            label={strings.secrets}
            columns={secretColumns({
              onReplace: setNamed,
              onDelete: (secret) => setDialog({ kind: "delete", secret }),
            })}
            rows={secrets.data}
            rowId={(secret) => secret.id}
          />
        )}
      </div>
      <Suspense fallback={null}>
        {dialog?.kind === "set" && (
          <SetSecret
            name={dialog.name}
            isFixed={dialog.isFixed}
            hosts={secrets.data.find(({ name }) => name === dialog.name)?.hosts ?? []}
            onClose={close}
          />
        )}
      </Suspense>
      {dialog?.kind === "delete" && <Delete secret={dialog.secret} onClose={close} />}
    </>
  );
}

function Delete({ secret, onClose }: { secret: Secret; onClose: () => void }) {
  const remove = useDeleteSecret();
  const count = secret.used_by_count;
  return (
    <ConfirmDialog
      isOpen
      title={`Delete the secret “${secret.name}”?`}
      action={strings.deleteSecret}
      isPending={remove.isPending}
      onClose={onClose}
      onConfirm={() =>
        remove.mutate(secret.name, {
          onSuccess: () => {
            toast.success(`The secret “${secret.name}” is deleted.`);
            onClose();
          },
          onError: (error) => toast.failure("The secret was not deleted", error),
        })
      }
    >
      {count === 0
        ? "No pipeline uses it. The value cannot be restored."
        : `${count === 1 ? "A pipeline uses" : `${count} pipelines use`} it. Their next runs fail. The value cannot be restored.`}
    </ConfirmDialog>
  );
}
