import type { AuditAction, AuditFilter } from "@/api/audit";
import { readList } from "@/ui/table/filters";
import type { AuditSearch } from "./search";
import { strings } from "./strings";

export const ACTIONS = Object.keys(strings.actions) as AuditAction[];

/** The actions of the search that exist. The address can contain any text, and the API refuses others. */
export function actionsOf({ action }: AuditSearch): AuditAction[] | undefined {
  return readList(action?.split(","), ACTIONS);
}

/** The filters of the search as the API has them. */
export function filterOf(search: AuditSearch): AuditFilter {
  const { actor, target, from, to } = search;
  return { action: actionsOf(search), actor, target, from, to };
}
