import { queryOptions, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, setCsrfToken, unwrap } from "./client";
import { ApiError } from "./errors";
import type { components } from "./schema";
import { readStorage, writeStorage } from "./storage";
import {
  chooseWorkspace,
  currentWorkspace,
  dropWorkspace,
  recallWorkspace,
  shownWorkspace,
} from "./workspace";

export type Session = components["schemas"]["BrowserSession"];
export type User = components["schemas"]["User"];
type Credentials = components["schemas"]["Login"];

const MINUTE = 60_000;
const HINT = "stepiq-signed-in";

// The hint is the id of the user.
recallWorkspace(readStorage(HINT));

/** Whether this browser may have a session. If not, the sign-in page sends no request. The hint is not a credential. */
export function mayHaveSession(): boolean {
  return readStorage(HINT) !== null;
}

function remember(session: Session | null): void {
  setCsrfToken(session?.csrf_token ?? null);
  writeStorage(HINT, session?.user.id ?? null);
}

let hasEnded = false;

/** Whether the session of this page has ended without a click on "Sign out". */
export function hasSessionEnded(): boolean {
  return hasEnded;
}

/** The session has ended: in another tab, or on the server. */
export function sessionEnded(): void {
  hasEnded = true;
}

/** Forget that this browser has a session, so that the sign-in page opens. */
export function forgetSession(): void {
  remember(null);
}

/** A workspace that this tab wanted to show, of which the person is not a member. Its name, if the person has seen it. */
export type LostWorkspace = { name: string | null };
let lost: LostWorkspace | null = null;

/** The lost workspace, once. */
export function takeLostWorkspace(): LostWorkspace | null {
  const taken = lost;
  lost = null;
  return taken;
}

async function readSession(signal: AbortSignal): Promise<Session> {
  const read = () => unwrap(api.GET("/api/session", { signal }));
  let session: Session;
  try {
    session = await read();
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "workspace_not_found") throw error;
    const shown = shownWorkspace();
    dropWorkspace();
    session = await read();
    lost = { name: shown?.name ?? null };
  }
  keep(session);
  return session;
}

function keep(session: Session): void {
  hasEnded = false;
  remember(session);
  const { id: userId, workspace } = session.user;
  chooseWorkspace({ ...workspace, userId });
}

/** The session of this browser, or null if nobody is signed in. */
export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: async ({ signal }) => {
    try {
      return await readSession(signal);
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

let lastUser: User | null = null;

/** The signed-in user. Only for screens inside the shell, which needs a session. */
export function useUser(): User {
  const { data } = useQuery(sessionQuery);
  // When the session ends, a screen can be drawn once more before the shell leaves it.
  if (data) lastUser = data.user;
  if (lastUser === null)
    throw new ApiError({
      status: 401,
      code: "signed_out",
      detail: "Your session has ended. Sign in again.",
    });
  return lastUser;
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
      recallWorkspace(session.user.id);
      // The answer is about the first workspace. If the person used another one, the session is read again.
      const used = currentWorkspace();
      if (used !== null && used !== session.user.workspace.id) return;
      keep(session);
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
      dropWorkspace();
      window.location.assign("/login");
    },
  });
}

/** Ends the session, and stays on a page that needs none. */
export function useEndOwnSession() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: () => unwrap(api.DELETE("/api/session")),
    onSuccess: () => {
      remember(null);
      dropWorkspace();
      queryClient.setQueryData(sessionQuery.queryKey, null);
    },
  });
}
