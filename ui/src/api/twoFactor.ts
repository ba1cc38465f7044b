import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { components } from "./schema";

export type TwoFactorSecret = components["schemas"]["TotpSecret"];
type Proof = components["schemas"]["TotpProof"];

const PATH = "/api/user/totp";

/** Whether the signed-in user has two-factor sign-in. */
export const twoFactorQuery = queryOptions({
  queryKey: ["two-factor"],
  queryFn: ({ signal }) => unwrap(api.GET(PATH, { signal })),
});

// Results that contain secrets do not stay in the cache.
const FORGET = { gcTime: 0 };

function useChanged() {
  const queryClient = useQueryClient();
  return () => queryClient.invalidateQueries({ queryKey: twoFactorQuery.queryKey });
}

/** Requests a secret. An old session needs the password: the error then has the code `password_required`. */
export function useBeginTwoFactor() {
  return useMutation({
    mutationFn: (password: string | null) => unwrap(api.POST(PATH, { body: { password } })),
    ...FORGET,
  });
}

/** Turns two-factor sign-in on. The result has the recovery codes. */
export function useConfirmTwoFactor() {
  return useMutation({
    mutationFn: (code: string) => unwrap(api.POST(`${PATH}/confirm`, { body: { code } })),
    onSuccess: useChanged(),
    ...FORGET,
  });
}

export function useTurnOffTwoFactor() {
  return useMutation({
    mutationFn: (body: Proof) => unwrap(api.DELETE(PATH, { body })),
    onSuccess: useChanged(),
  });
}

/** Replaces the recovery codes. The result has the new ones. */
export function useReplaceRecoveryCodes() {
  return useMutation({
    mutationFn: (body: Proof) => unwrap(api.POST(`${PATH}/recovery-codes`, { body })),
    onSuccess: useChanged(),
    ...FORGET,
  });
}
