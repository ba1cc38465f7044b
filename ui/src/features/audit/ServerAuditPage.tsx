import { useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { serverAuditQuery, useVerifyAudit } from "@/api/audit";
import { PageHeader } from "@/ui/PageHeader";
import { AuditActions, CheckResult } from "./AuditActions";
import { AuditLog } from "./AuditLog";
import { filterOf } from "./filter";
import type { AuditSearch } from "./search";
import { strings } from "./strings";

/** The audit logs of the server and of all workspaces, for administrators. */
export function ServerAuditPage({ search }: { search: AuditSearch }) {
  const { data: page } = useSuspenseQuery(serverAuditQuery(filterOf(search), search.cursor));
  const navigate = useNavigate({ from: "/admin/audit" });
  const check = useVerifyAudit(true);
  return (
    <>
      <PageHeader
        title={strings.title}
        description={strings.serverDescription}
        actions={<AuditActions search={search} check={check} ofServer />}
      />
      {check.data && <CheckResult found={check.data} />}
      <AuditLog
        page={page}
        search={search}
        onSearch={(next) => void navigate({ search: next, resetScroll: false })}
        ofServer
      />
    </>
  );
}
