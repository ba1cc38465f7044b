import { readText } from "@/ui/table/filters";

/** The filters of the log, its page and the shown entry, as the URL has them. Part of every page: it must stay small. */
export type AuditSearch = {
  /** Actions, separated by commas. */
  action?: string;
  actor?: string;
  target?: string;
  from?: string;
  to?: string;
  cursor?: string;
  entry?: string;
};

const NAMES = ["action", "actor", "target", "from", "to", "cursor", "entry"] as const;

export function readAuditSearch(search: Record<string, unknown>): AuditSearch {
  return Object.fromEntries(NAMES.map((name) => [name, readText(search[name])]));
}
