import type { WorkspaceFilter } from "@/api/adminWorkspaces";
import { readChoice, readText } from "@/ui/table/filters";

const MEMBERS = ["some", "none"] as const;

/** Search parameters of the list of workspaces. */
export type WorkspacesSearch = {
  q?: string;
  plan?: string;
  members?: (typeof MEMBERS)[number];
  cursor?: string;
};

export function readWorkspacesSearch(search: Record<string, unknown>): WorkspacesSearch {
  return {
    q: readText(search.q),
    plan: readText(search.plan),
    members: readChoice(search.members, MEMBERS),
    cursor: readText(search.cursor),
  };
}

export function filterOf({ q, plan, members }: WorkspacesSearch): WorkspaceFilter {
  return { q, plan, has_members: members === undefined ? undefined : members === "some" };
}
