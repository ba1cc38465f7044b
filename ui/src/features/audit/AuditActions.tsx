import { Alert, Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type AuditCheck, type AuditFormat, exportAudit, type useVerifyAudit } from "@/api/audit";
import { toast } from "@/ui/feedback/toast";
import { saveBlob } from "@/ui/files";
import { CopyButton } from "@/ui/text/CopyButton";
import classes from "./Audit.module.css";
import { filterOf } from "./filter";
import type { AuditSearch } from "./search";
import { strings } from "./strings";

type Props = {
  search: AuditSearch;
  check: ReturnType<typeof useVerifyAudit>;
  ofServer?: boolean;
};

/** The buttons that check the chain and export the entries that the filters select. */
export function AuditActions({ search, check, ofServer = false }: Props) {
  const exporting = useMutation({
    mutationFn: async (format: AuditFormat) =>
      saveBlob(
        await exportAudit(filterOf(search), format, ofServer),
        `audit-${new Date().toISOString().slice(0, 10)}.${format}`,
      ),
    onError: (error) => toast.failure(strings.failed, error),
  });
  return (
    <>
      <Button
        variant="default"
        loading={exporting.isPending && exporting.variables === "ndjson"}
        onClick={() => exporting.mutate("ndjson")}
      >
        {strings.exportJson}
      </Button>
      <Button
        variant="default"
        loading={exporting.isPending && exporting.variables === "csv"}
        onClick={() => exporting.mutate("csv")}
      >
        {strings.exportCsv}
      </Button>
      <Button
        loading={check.isPending}
        onClick={() =>
          check.mutate(undefined, {
            onError: (error) => toast.failure(strings.checkFailed, error),
          })
        }
      >
        {ofServer ? strings.verifyServer : strings.verify}
      </Button>
    </>
  );
}

/** What a check of the chain has found. */
export function CheckResult({ found }: { found: AuditCheck }) {
  const { fault, fault_at, head } = found;
  return (
    <Alert
      className={classes.result}
      role="status"
      color={fault === null ? undefined : "red"}
      title={fault === null ? strings.intact : strings.broken}
    >
      {fault === null
        ? strings.checked(found.entries, found.deleted)
        : strings.faults[fault](fault_at ?? 0)}
      {fault === null && head !== null && (
        <>
          <div className={classes.digest}>
            <code>{head}</code>
            <CopyButton value={head} what={strings.head} />
          </div>
          {strings.headText}
        </>
      )}
    </Alert>
  );
}
