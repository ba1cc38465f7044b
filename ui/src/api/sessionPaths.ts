import type { components } from "./schema";

/** The body of /api/session. */
export type Session = {
  user: components["schemas"]["User"];
  csrf_token: string;
  expires_at: string;
};

type Json<T> = { headers: Record<string, unknown>; content: { "application/json": T } };
type Unused = { query?: never; header?: never; path?: never; cookie?: never };
type Operation<Responses, Body = never> = {
  parameters: Unused;
  requestBody?: Body;
  responses: Responses;
};

/** The routes of /api/session, which openapi.json of older servers does not have. */
export type SessionPaths = {
  "/api/session": {
    parameters: Unused;
    get: Operation<{ 200: Json<Session> }>;
    post: Operation<
      { 200: Json<Session> },
      { content: { "application/json": components["schemas"]["Login"] } }
    >;
    delete: Operation<{ 204: { headers: Record<string, unknown>; content?: never } }>;
  };
};
