import type { components } from "@/api/schema";

type Ended = components["schemas"]["EndedByReset"];

/** What a reset of the password has ended of an account whose address was not verified. */
export function endedTexts(ended: Ended): string[] {
  const counted: [string, number][] = [
    ["Service keys revoked", ended.service_keys_revoked],
    ["Schedules disabled", ended.schedules_disabled],
    ["Invitations withdrawn", ended.invitations_withdrawn],
    ["Runs cancelled", ended.runs_cancelled],
  ];
  const texts = counted
    .filter(([, count]) => count > 0)
    .map(([what, count]) => `${what}: ${count}.`);
  return ended.two_factor_disabled ? [...texts, "Two-factor sign-in is off."] : texts;
}
