import createClient, { type Middleware } from "openapi-fetch";
import { ApiError } from "./errors";
import type { paths } from "./schema";
import { currentWorkspace } from "./workspace";

/** The most rows that the API sends at once. */
const MAX_PAGE = 100;
const SAFE_METHODS = new Set(["GET", "HEAD"]);
const CSRF_HEADER = "X-CSRF-Token";

let csrfToken: string | null = null;
let readSession: () => Promise<unknown> = async () => {};
let onSignedOut: () => void = () => {};
let onWorkspaceLost: () => void = () => {};

/** Names the workspace of a request. A request without it concerns the first workspace of the person. */
export const WORKSPACE_HEADER = "X-Workspace";

/** Set the token that the server demands of requests that can change data. */
export function setCsrfToken(token: string | null): void {
  csrfToken = token;
}

/** Set how the session is read again, with its token, when the token of this tab is that of an earlier session. */
export function setReadSession(callback: () => Promise<unknown>): void {
  readSession = callback;
}

/** Set what happens when the session has ended. */
export function setOnSignedOut(callback: () => void): void {
  onSignedOut = callback;
}

/** Set what happens when the server says that the person is not a member of the workspace of this tab. */
export function setOnWorkspaceLost(callback: () => void): void {
  onWorkspaceLost = callback;
}

/** A failure can mean that the session or the membership has ended. */
export function noteFailure({ status, code }: ApiError): void {
  if (status === 401) onSignedOut();
  if (code === "workspace_not_found") onWorkspaceLost();
}

const session: Middleware = {
  onRequest({ request }) {
    const workspace = currentWorkspace();
    if (workspace !== null && !request.headers.has(WORKSPACE_HEADER)) {
      request.headers.set(WORKSPACE_HEADER, workspace);
    }
    if (csrfToken !== null && !SAFE_METHODS.has(request.method)) {
      request.headers.set(CSRF_HEADER, csrfToken);
    }
    return request;
  },
  async onResponse({ response, schemaPath }) {
    if (response.ok) return;
    // These routes answer 401 to a wrong password or a visitor without a session.
    const isSignIn = schemaPath === "/api/session" || schemaPath.startsWith("/api/auth/");
    const error = await ApiError.from(response);
    if (!isSignIn) noteFailure(error);
    throw error;
  },
  onError({ error }) {
    if (error instanceof ApiError) return;
    if (error instanceof DOMException && error.name === "AbortError") return;
    return ApiError.unreachable();
  },
};

/** Sends a request, and once more with the new token if the person has signed in again in another tab. */
async function send(request: Request): Promise<Response> {
  if (SAFE_METHODS.has(request.method)) return fetch(request);
  const repeated = request.clone();
  const response = await fetch(request);
  if (response.status !== 403) return response;
  const { code } = await ApiError.from(response.clone());
  // Without a token, the session of this tab has ended. The next one can be that of another person.
  if (code !== "csrf_token_invalid" || csrfToken === null) return response;
  await readSession();
  // If another person has signed in, the token remains the same, and the page loads again.
  if (csrfToken === null || csrfToken === repeated.headers.get(CSRF_HEADER)) return response;
  repeated.headers.set(CSRF_HEADER, csrfToken);
  return fetch(repeated);
}

/** The API. Each call throws an ApiError if it fails. Use `unwrap` to get the body. */
export const api = createClient<paths>({ baseUrl: "", credentials: "same-origin", fetch: send });
api.use(session);

/** The body of a successful response: `await unwrap(api.GET("/api/models", { signal }))`. */
export async function unwrap<T>(call: Promise<{ data?: T }>): Promise<T> {
  const { data } = await call;
  return data as T;
}

type Page<Row> = { data: Row[]; next_cursor: string | null };

/** All rows of a list that is short enough to show whole. `get` requests the page with this query. */
export async function everyPage<Row>(
  get: (query: { limit: number; cursor?: string }) => Promise<{ data?: Page<Row> }>,
  maxPages = Number.POSITIVE_INFINITY,
): Promise<{ data: Row[] }> {
  const rows: Row[] = [];
  let cursor: string | undefined;
  let pages = 0;
  do {
    const page = await unwrap(get({ limit: MAX_PAGE, cursor }));
    rows.push(...page.data);
    cursor = page.next_cursor ?? undefined;
    pages += 1;
  } while (cursor !== undefined && pages < maxPages);
  return { data: rows };
}
