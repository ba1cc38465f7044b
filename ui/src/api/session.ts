import { queryOptions, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, setCsrfToken, unwrap } from "./client";
import { ApiError } from "./errors";
import type { components } from "./schema";
import { readStorage, writeStorage } from "./storage";

type Session = components["schemas"]["BrowserSession"];
export type User = components["schemas"]["User"];
type Credentials = components["schemas"]["Login"];
type Registration = components["schemas"]["Registration"];
type NewPassword = components["schemas"]["NewPassword"];

const MINUTE = 60_000;
const HINT = "stepiq-signed-in";

/** Whether this browser may have a session. If not, the sign-in page sends no request. The hint is not a credential. */
export function mayHaveSession(): boolean {
  return readStorage(HINT) !== null;
}

function remember(session: Session | null): void {
  setCsrfToken(session?.csrf_token ?? null);
  writeStorage(HINT, session === null ? null : "yes");
}

/** The session of this browser, or null if nobody is signed in. */
export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: async ({ signal }) => {
    try {
      const session = await unwrap(api.GET("/api/session", { signal }));
      remember(session);
      return session;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        remember(null);
        return null;
      }
      throw error;
    }
  },
  staleTime: 5 * MINUTE,
  gcTime: Number.POSITIVE_INFINITY,
});

/** The signed-in user. Only for screens inside the shell, which needs a session. */
export function useUser(): User {
  const { data } = useQuery(sessionQuery);
  if (!data)
    throw new ApiError({
      status: 401,
      code: "signed_out",
      detail: "Your session has ended. Sign in again.",
    });
  return data.user;
}

export function useSignIn() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (credentials: Credentials) =>
      unwrap(api.POST("/api/session", { body: credentials })),
    onSuccess: (session) => {
      // Data of an earlier account must not appear.
      queryClient.clear();
      remember(session);
      queryClient.setQueryData(sessionQuery.queryKey, session);
    },
  });
}

/** Ends the session and loads the sign-in page anew, so that no data of the account remains in memory. */
export function useSignOut() {
  return useMutation({
    mutationFn: () => unwrap(api.DELETE("/api/session")),
    onSuccess: () => {
      remember(null);
      window.location.assign("/login");
    },
  });
}

export function useRegister() {
  return useMutation({
    mutationFn: (body: Registration) => unwrap(api.POST("/api/auth/register", { body })),
  });
}

export function useForgotPassword() {
  return useMutation({
    mutationFn: (email: string) =>
      unwrap(api.POST("/api/auth/forgot-password", { body: { email } })),
  });
}

export function useResetPassword() {
  return useMutation({
    mutationFn: (body: NewPassword) => unwrap(api.POST("/api/auth/reset-password", { body })),
  });
}

export function useVerifyEmail() {
  return useMutation({
    mutationFn: (token: string) => unwrap(api.POST("/api/auth/verify-email", { body: { token } })),
  });
}
