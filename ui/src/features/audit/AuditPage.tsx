import { useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { auditQuery, useVerifyAudit } from "@/api/audit";
import { PageHeader } from "@/ui/PageHeader";
import { AuditActions, CheckResult } from "./AuditActions";
import { AuditLog } from "./AuditLog";
import { filterOf } from "./filter";
import type { AuditSearch } from "./search";
import { strings } from "./strings";

/** The audit log of the workspace. */
export function AuditPage({ search }: { search: AuditSearch }) {
  const { data: page } = useSuspenseQuery(auditQuery(filterOf(search), search.cursor));
  const navigate = useNavigate({ from: "/settings/audit" });
  const check = useVerifyAudit(false);
  return (
    <>
      <PageHeader
        title={strings.title}
        description={strings.description}
        actions={<AuditActions search={search} check={check} />}
      />
      {check.data && <CheckResult found={check.data} />}
      <AuditLog
        page={page}
        search={search}
        onSearch={(next) => void navigate({ search: next, resetScroll: false })}
      />
    </>
  );
}
