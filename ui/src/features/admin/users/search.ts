import type { UserFilter } from "@/api/adminUsers";
import { readChoice, readText } from "@/ui/table/filters";

const STATES = ["enabled", "disabled"] as const;
const KINDS = ["administrators", "others"] as const;

/** Search parameters of the list of accounts. */
export type UsersSearch = {
  q?: string;
  state?: (typeof STATES)[number];
  kind?: (typeof KINDS)[number];
  cursor?: string;
};

export function readUsersSearch(search: Record<string, unknown>): UsersSearch {
  return {
    q: readText(search.q),
    state: readChoice(search.state, STATES),
    kind: readChoice(search.kind, KINDS),
    cursor: readText(search.cursor),
  };
}

export function filterOf({ q, state, kind }: UsersSearch): UserFilter {
  return {
    q,
    disabled: state === undefined ? undefined : state === "disabled",
    is_admin: kind === undefined ? undefined : kind === "administrators",
  };
}
