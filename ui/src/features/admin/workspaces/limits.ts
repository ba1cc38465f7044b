import type { AdminWorkspaceDetail, Plan } from "@/api/adminWorkspaces";

type Value = number | boolean | null | undefined;
export type Override = number | boolean | string;

/** A limit as a person types it: a number, `unlimited`, `true` or `false`. */
export function limitText(value: Value): string {
  return value === null || value === undefined ? "unlimited" : String(value);
}

/** What was typed, as the API takes it; null restores the limit of the plan. */
export function limitOf(text: string): Override | null {
  const typed = text.trim().toLowerCase();
  if (typed === "") return null;
  if (typed === "true" || typed === "false") return typed === "true";
  return /^\d{1,15}$/.test(typed) ? Number(typed) : typed;
}

/** The overrides as typed, of each limit of the plan. Empty: the limit of the plan. */
export function typedOverrides(
  plan: Plan,
  overrides: AdminWorkspaceDetail["overrides"],
): Record<string, string> {
  const entries = Object.keys(plan.limits).map((name) => {
    const value = overrides[name];
    return [name, value === undefined ? "" : String(value)] as const;
  });
  return Object.fromEntries(entries);
}

/** The limits that differ from what is stored. */
export function changedLimits(
  stored: Record<string, string>,
  typed: Record<string, string>,
): Record<string, Override | null> {
  const changed = Object.entries(typed).filter(([name, text]) => text.trim() !== stored[name]);
  return Object.fromEntries(changed.map(([name, text]) => [name, limitOf(text)]));
}
