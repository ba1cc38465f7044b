import type { QueryClient } from "@tanstack/react-query";
import { sessionsQuery } from "@/api/account";
import { identitiesQuery } from "@/api/identities";
import { twoFactorQuery } from "@/api/twoFactor";

/** Requests what the profile shows. */
export function loadProfile(queryClient: QueryClient) {
  return Promise.all([
    queryClient.ensureQueryData(sessionsQuery),
    queryClient.ensureQueryData(identitiesQuery),
    queryClient.ensureQueryData(twoFactorQuery),
  ]);
}
