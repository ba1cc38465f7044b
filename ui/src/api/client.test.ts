// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { api, setCsrfToken, setReadSession } from "./client";
import { sessionEnded } from "./session";

/** The tokens of the requests that were sent. */
let sent: (string | null)[];

beforeEach(() => {
  sent = [];
  setCsrfToken("mine");
  setReadSession(async () => setCsrfToken("new"));
  vi.stubGlobal("fetch", async ({ headers }: Request) => {
    sent.push(headers.get("X-CSRF-Token"));
    const problem = { code: "csrf_token_invalid", detail: "Wrong token." };
    return new Response(JSON.stringify(problem), { status: 403 });
  });
});
afterEach(() => {
  setCsrfToken(null);
  vi.unstubAllGlobals();
});

const change = () => api.POST("/api/drafts", { body: { text: "name: Mine", format: "yaml" } });

test("after another sign-in of the person, a change is repeated with the new token", async () => {
  await expect(change()).rejects.toMatchObject({ code: "csrf_token_invalid" });

  expect(sent).toEqual(["mine", "new"]);
});

test("after the end of the session, a change is not repeated for the next person", async () => {
  sessionEnded();

  await expect(change()).rejects.toMatchObject({ code: "csrf_token_invalid" });

  expect(sent).toEqual([null]);
});
