import { Button } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { Lock } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useCan, useDenied } from "@/api/access";
import { missingSecretsQuery, type Secret, secretsQuery } from "@/api/secrets";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { PageHeader } from "@/ui/PageHeader";
import { DataTable } from "@/ui/table/DataTable";
import { DeleteSecret } from "./DeleteSecret";
import { MissingSecrets } from "./MissingSecrets";
import classes from "./Settings.module.css";
import { secretColumns } from "./secretColumns";
import { strings } from "./strings";

const SetSecret = lazy(() => import("./SetSecret"));

type Dialog = { kind: "set"; name: string; isFixed: boolean } | { kind: "delete"; secret: Secret };

export function SecretsPage() {
  const { data: secrets } = useSuspenseQuery(secretsQuery);
  const { data: missing } = useSuspenseQuery(missingSecretsQuery());
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const close = () => setDialog(null);
  const canWrite = useCan("pipelines:write");
  const denied = useDenied("pipelines:write", "change secrets");
  const setNamed = (name: string) => setDialog({ kind: "set", name, isFixed: true });
  const set = canWrite && (
    <Button onClick={() => setDialog({ kind: "set", name: "", isFixed: false })}>
      {strings.setSecret}
    </Button>
  );
  const isEmpty = secrets.data.length === 0;
  return (
    <>
      <PageHeader
        title={strings.secrets}
        description={
          denied === null ? strings.secretsDescription : `${strings.secretsDescription} ${denied}`
        }
        actions={isEmpty ? undefined : set}
      />
      <MissingSecrets missing={missing.data} text={strings.missingText} onSet={setNamed} />
      <div className={missing.data.length > 0 ? classes.section : undefined}>
        {isEmpty ? (
          <EmptyState title={strings.noSecrets} icon={Lock} actions={set}>
            {strings.noSecretsText}
          </EmptyState>
        ) : (
          <DataTable
            label={strings.secrets}
            columns={secretColumns({
              canWrite,
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
      {dialog?.kind === "delete" && (
        <DeleteSecret name={dialog.secret.name} onClose={close}>
          {strings.deleteText(dialog.secret.used_by_count)}
        </DeleteSecret>
      )}
    </>
  );
}
