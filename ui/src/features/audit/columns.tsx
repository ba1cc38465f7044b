import { Link } from "@tanstack/react-router";
import type { AuditEntry } from "@/api/audit";
import { RelativeTime } from "@/ui/format/Values";
import type { Column } from "@/ui/table/columns";
import classes from "./Audit.module.css";
import type { AuditSearch } from "./search";
import { strings } from "./strings";

export function actionText(entry: AuditEntry): string {
  const text = (strings.actions as Record<string, string>)[entry.action] ?? entry.action;
  return entry.count > 1 ? strings.repeated(text, entry.count) : text;
}

export function actorText({ actor }: AuditEntry): string {
  return actor.name ?? strings.kinds[actor.kind];
}

export function targetText({ target }: AuditEntry): string {
  // The id of a session means nothing to a reader.
  return target.name ?? (target.type === "session" ? "" : (target.id ?? ""));
}

/** The columns of the log. The search is that of the page, whose links add an entry to it. */
export function auditColumns(search: AuditSearch, ofServer: boolean): Column<AuditEntry>[] {
  const columns: Column<AuditEntry>[] = [
    {
      id: "time",
      header: strings.time,
      width: "110px",
      cell: (entry) => <RelativeTime time={entry.at} />,
    },
    {
      id: "action",
      header: strings.action,
      cell: (entry) => (
        <Link
          to={ofServer ? "/admin/audit" : "/settings/audit"}
          search={{ ...search, entry: entry.id }}
          resetScroll={false}
          className={classes.link}
        >
          {actionText(entry)}
        </Link>
      ),
    },
    {
      id: "actor",
      header: strings.actor,
      from: 440,
      cell: (entry) => <span className={classes.short}>{actorText(entry)}</span>,
    },
    {
      id: "target",
      header: strings.target,
      from: 720,
      cell: (entry) => <span className={classes.short}>{targetText(entry)}</span>,
    },
    {
      id: "client",
      header: strings.client,
      width: "130px",
      from: 960,
      cell: (entry) => <span className="numeric truncate">{entry.client}</span>,
    },
  ];
  if (ofServer) {
    columns.push({
      id: "workspace",
      header: strings.workspace,
      width: "110px",
      from: 1120,
      cell: ({ workspace_id }) =>
        workspace_id === null ? (
          strings.serverLog
        ) : (
          <span className="numeric truncate dimmed">{workspace_id}</span>
        ),
    });
  }
  return columns;
}
