import { queryOptions, useMutation } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { components, paths } from "./schema";

export type AuditEntry = components["schemas"]["AuditEntry"];
export type AuditCheck = components["schemas"]["AuditCheck"];
export type AuditFilter = Omit<
  NonNullable<paths["/api/audit"]["get"]["parameters"]["query"]>,
  "cursor" | "limit"
>;
export type AuditAction = NonNullable<AuditFilter["action"]>[number];
export type AuditFault = NonNullable<AuditCheck["fault"]>;
export type ActorKind = AuditEntry["actor"]["kind"];
export type AuditFormat = "csv" | "ndjson";

/** A page of the audit log of the workspace, newest first. */
export function auditQuery(filter: AuditFilter, cursor: string | undefined) {
  return queryOptions({
    queryKey: ["audit", filter, cursor],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/audit", { params: { query: { ...filter, cursor } }, signal })),
  });
}

/** A page of the audit logs of the server and of all workspaces, newest first. */
export function serverAuditQuery(filter: AuditFilter, cursor: string | undefined) {
  return queryOptions({
    queryKey: ["admin", "audit", filter, cursor],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/admin/audit", { params: { query: { ...filter, cursor } }, signal })),
  });
}

/** Checks the whole chain of the workspace, or of the server's own log, in parts. The result has the entries of all parts. */
export function useVerifyAudit(ofServer: boolean) {
  return useMutation({
    mutationFn: async (): Promise<AuditCheck> => {
      let after = 0;
      let entries = 0;
      for (;;) {
        const init = { params: { query: { after } } };
        const part = await unwrap(
          ofServer ? api.GET("/api/admin/audit/verify", init) : api.GET("/api/audit/verify", init),
        );
        entries += part.entries;
        if (part.complete || part.head === null) return { ...part, entries };
        after = Number(part.head.split(":")[0]);
      }
    },
  });
}

/** The log of the workspace, or all logs of the server, as a file. */
export function exportAudit(
  filter: AuditFilter,
  format: AuditFormat,
  ofServer: boolean,
): Promise<Blob> {
  const init = { params: { query: { ...filter, format } }, parseAs: "blob" as const };
  return unwrap(
    ofServer ? api.GET("/api/admin/audit/export", init) : api.GET("/api/audit/export", init),
  );
}
