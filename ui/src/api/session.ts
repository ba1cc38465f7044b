import {
  type QueryClient,
  queryOptions,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { api, noteFailure, setCsrfToken, unwrap } from "./client";
import { ApiError } from "./errors";
import type { components } from "./schema";
import { readStorage, writeStorage } from "./storage";
import { keepTypedBy } from "./typed";
import {
  chooseWorkspace,
  currentWorkspace,
  dropWorkspace,
  forgetWorkspace,
  recallWorkspace,
  usedWorkspace,
} from "./workspace";

export type Session = components["schemas"]["BrowserSession"];
export type User = components["schemas"]["User"];
type Credentials = components["schemas"]["Login"];

const MINUTE = 60_000;
const HINT = "stepiq-signed-in";
const SESSION_KEY = ["session"] as const;

// The hint is the id of the user.
recallWorkspace(readStorage(HINT));

/** Whether this browser may have a session. If not, the sign-in page sends no request. The hint is not a credential. */
export function mayHaveSession(): boolean {
  return readStorage(HINT) !== null;
}

function remember(session: Session | null): void {
  setCsrfToken(session?.csrf_token ?? null);
  writeStorage(HINT, session?.user.id ?? null);
  keepTypedBy(session?.user.id ?? null);
}

let hasEnded = false;

/** Whether the session of this page has ended without a click on "Sign out". */
export function hasSessionEnded(): boolean {
  return hasEnded;
}

/** The session has ended: in another tab, or on the server. */
export function sessionEnded(): void {
  hasEnded = true;
  setCsrfToken(null);
  keepTypedBy(null);
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

/** The session, in the workspace of this tab, or else in the one that the person used last, or else in the first one. */
async function readSession(client: QueryClient, signal: AbortSignal): Promise<Session> {
  const used = usedWorkspace();
  // What a running app shows. It must not change its workspace or its person, so it loads anew.
  const shown = client.getQueryData<Session | null>(SESSION_KEY);
  let session: Session;
  try {
    session = await unwrap(api.GET("/api/session", { signal }));
  } catch (error) {
    if (used === null || !(error instanceof ApiError) || error.code !== "workspace_not_found") {
      throw error;
    }
    if (shown) {
      noteFailure(error);
      throw error;
    }
    forgetWorkspace();
    session = await readSession(client, signal);
    if (session.user.id === used.userId) lost = { name: used.name };
    return session;
  }
  if (shown && shown.user.id !== session.user.id) {
    window.location.assign("/");
    return shown;
  }
  if (used === null) {
    recallWorkspace(session.user.id);
    const last = currentWorkspace();
    if (last !== null && last !== session.user.workspace.id) return readSession(client, signal);
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
  queryKey: SESSION_KEY,
  queryFn: async ({ client, signal }) => {
    try {
      return await readSession(client, signal);
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
      // Data of an earlier account must not appear. The next page reads the session.
      queryClient.clear();
      remember(session);
      recallWorkspace(session.user.id);
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
