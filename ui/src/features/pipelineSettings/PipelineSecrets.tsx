import { Anchor, Button } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { useCan } from "@/api/access";
import { missingSecretsQuery, type PipelineSecret, pipelineSecretsQuery } from "@/api/secrets";
import { DeleteSecret } from "@/features/settings/DeleteSecret";
import { MissingSecrets } from "@/features/settings/MissingSecrets";
import { ownSecretColumns } from "@/features/settings/secretColumns";
import { DataTable } from "@/ui/table/DataTable";
import classes from "./PipelineSettings.module.css";
import { strings } from "./strings";

const SetSecret = lazy(() => import("@/features/settings/SetSecret"));

type Dialog =
  | { kind: "set"; name: string; isFixed: boolean }
  | { kind: "delete"; secret: PipelineSecret };

/** The secrets that only this pipeline can read, and those that it needs and that are not stored. */
export default function PipelineSecrets({ id }: { id: string }) {
  const { data: secrets } = useSuspenseQuery(pipelineSecretsQuery(id));
  const { data: missing } = useSuspenseQuery(missingSecretsQuery(id));
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const close = () => setDialog(null);
  const canWrite = useCan("pipelines:write");
  const setNamed = (name: string) => setDialog({ kind: "set", name, isFixed: true });
  return (
    <section aria-labelledby="secrets" className={classes.section}>
      <div className={classes.line}>
        <h2 id="secrets" className={classes.heading}>
          {strings.secrets}
        </h2>
        {canWrite && (
          <Button
            variant="default"
            onClick={() => setDialog({ kind: "set", name: "", isFixed: false })}
          >
            {strings.setSecret}
          </Button>
        )}
      </div>
      <p className={classes.text}>
        {strings.secretsText}{" "}
        <Anchor renderRoot={(props) => <Link to="/settings/secrets" {...props} />}>
          {strings.workspaceSecrets}
        </Anchor>
      </p>
      <MissingSecrets missing={missing.data} text={strings.missingText} onSet={setNamed} />
      {secrets.data.length === 0 ? (
        <p className={classes.text}>{strings.noSecrets}</p>
      ) : (
        <DataTable
          label={strings.secrets}
          columns={ownSecretColumns<PipelineSecret>({
            canWrite,
            onReplace: setNamed,
            onDelete: (secret) => setDialog({ kind: "delete", secret }),
          })}
          rows={secrets.data}
          rowId={(secret) => secret.id}
        />
      )}
      <Suspense fallback={null}>
        {dialog?.kind === "set" && (
          <SetSecret
            name={dialog.name}
            isFixed={dialog.isFixed}
            hosts={secrets.data.find(({ name }) => name === dialog.name)?.hosts ?? []}
            pipelineId={id}
            onClose={close}
          />
        )}
      </Suspense>
      {dialog?.kind === "delete" && (
        <DeleteSecret name={dialog.secret.name} pipelineId={id} onClose={close}>
          {strings.deleteText}
        </DeleteSecret>
      )}
    </section>
  );
}
