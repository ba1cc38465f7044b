import type { QueryClient } from "@tanstack/react-query";
import { auditQuery, serverAuditQuery } from "@/api/audit";
import { type AuditSearch, filterOf } from "./search";

/** Start the query of the page. Its module loads with the page, because this one is not part of all pages. */
export function loadAudit(client: QueryClient, search: AuditSearch, ofServer: boolean) {
  const query = ofServer ? serverAuditQuery : auditQuery;
  return client.ensureQueryData(query(filterOf(search), search.cursor));
}
