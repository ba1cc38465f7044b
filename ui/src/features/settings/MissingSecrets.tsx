import { Alert } from "@mantine/core";
import { useCan } from "@/api/access";
import type { MissingSecret } from "@/api/secrets";
import { DataTable } from "@/ui/table/DataTable";
import classes from "./Settings.module.css";
import { missingColumns } from "./secretColumns";
import { strings } from "./strings";

type Props = {
  missing: readonly MissingSecret[];
  text: string;
  onSet: (name: string) => void;
};

/** Secrets that pipelines use and that are not stored. Nothing without such secrets. */
export function MissingSecrets({ missing, text, onSet }: Props) {
  const canWrite = useCan("pipelines:write");
  if (missing.length === 0) return null;
  return (
    <section aria-labelledby="missing" className={classes.form}>
      <Alert color="yellow">
        <strong id="missing">{strings.missing}.</strong> {text}
      </Alert>
      <DataTable
        label={strings.missing}
        columns={missingColumns(canWrite ? onSet : null)}
        rows={missing}
        rowId={(each) => each.name}
      />
    </section>
  );
}
