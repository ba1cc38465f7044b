import type { components } from "./schema";
import { useUser } from "./session";

export type Role = components["schemas"]["Role"];
/** Roles in their order: each can do what the ones before it can. */
export const ROLES = ["viewer", "operator", "editor", "admin", "owner"] as const satisfies Role[];

/** What the interface offers. The server decides; this only hides what it would refuse. */
const NEEDED = {
  "pipelines:execute": "operator",
  "pipelines:write": "editor",
  "workspace:admin": "admin",
  "workspace:owner": "owner",
} as const satisfies Record<string, Role>;
export type Ability = keyof typeof NEEDED;

export function includes(role: Role, other: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(other);
}

export function can(role: Role, ability: Ability): boolean {
  return includes(role, NEEDED[ability]);
}

/** The roles that a person with a role can give to others. Only owners make owners. */
export function rolesToGive(role: Role): Role[] {
  return can(role, "workspace:admin") ? ROLES.filter((each) => includes(role, each)) : [];
}

/** Whether a person with a role can change or remove a member with another one. Only owners manage owners. */
export function canManage(role: Role, other: Role): boolean {
  return rolesToGive(role).includes(other);
}

/** Whether the role of the signed-in person in the workspace allows something. */
export function useCan(ability: Ability): boolean {
  return can(useUser().role, ability);
}

/** Why the person cannot do something, such as "change secrets". Null: the person can. */
export function useDenied(ability: Ability, action: string): string | null {
  const { role } = useUser();
  return can(role, ability)
    ? null
    : `To ${action}, you need the role ${NEEDED[ability]}. Your role is ${role}.`;
}
