import "fake-indexeddb/auto";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError } from "@/api/errors";
import type { DraftServer } from "./draftServer";
import { type DraftParts, DraftSession } from "./draftSession";
import { DraftStorage } from "./draftStorage";
import type { DraftEvent, DraftRequest, OtherDraft, ServerDraft } from "./draftTypes";

const VERSION = { version: 1, text: "name: A\n" };

/** A server with one pipeline, which can be unreachable. */
class TestServer implements DraftServer {
  draft: ServerDraft | null = null;
  isUp = true;
  requests: DraftRequest[] = [];
  written: OtherDraft[] = [];

  others = async () => (this.isUp ? this.written : null);
  open = async () => ({
    draft: this.draft,
    others: this.written,
    latestVersion: 1,
    current: this.draft ? null : VERSION,
  });
  versionText = async () => VERSION.text;
  discard = async () => {
    this.draft = null;
  };
  send = async (_id: string, request: DraftRequest): Promise<DraftEvent> => {
    this.requests.push(request);
    if (!this.isUp) return { type: "noAnswer", error: ApiError.unreachable() };
    const { text, baseVersion } = request;
    const revision = `r${this.requests.length}`;
    this.draft = { text, revision, lineage: this.draft?.lineage ?? revision, baseVersion };
    return { type: "kept", draft: this.draft, others: [], latest: 1 };
  };
}

const channel = { post: () => {}, listen: () => () => {} };
let server: TestServer;
let user: string;

/** Another tab of the same browser. The earlier tabs have ended. */
function open(tab: string, changes: Partial<DraftParts> = {}): Promise<DraftSession> {
  const storage = new DraftStorage(user, tab);
  const endedTabs = async (names: readonly string[]) => names.filter((name) => name !== tab);
  return DraftSession.open("p", { server, storage, channel, endedTabs, ...changes });
}

async function stored(): Promise<string[]> {
  return (await new DraftStorage(user, "reader").read("p")).map(({ text }) => text);
}

beforeEach(() => {
  server = new TestServer();
  user = crypto.randomUUID();
});
afterEach(() => vi.useRealTimers());

test("a typed text is in IndexedDB until the server has it", async () => {
  const session = await open("one");

  session.dispatch({ type: "edited", text: "name: B\n" });
  await vi.waitFor(async () => expect(await stored()).toEqual(["name: B\n"]));
  expect(server.requests).toEqual([]);

  expect(await session.flush()).toBe(true);
  expect(server.draft?.text).toBe("name: B\n");
  await vi.waitFor(async () => expect(await stored()).toEqual([]));
});

test("members who began to write are named before the first own change", async () => {
  const session = await open("one");
  const written = [{ name: "Eda", baseVersion: 1, updatedAt: "2026-01-01T00:00:00Z" }];
  server.written = written;

  await session.readOthers();
  expect(session.state().others).toEqual(written);

  server.isUp = false;
  server.written = [];
  await session.readOthers();
  expect(session.state().others).toEqual(written);
  expect(server.requests).toEqual([]);
});

test("a tab that is opened after one has ended shows its text, and sends it", async () => {
  server.isUp = false;
  const first = await open("one");
  first.dispatch({ type: "edited", text: "name: B\n" });
  expect(await first.flush()).toBe(false);
  await vi.waitFor(async () => expect(await stored()).toEqual(["name: B\n"]));
  first.close();

  server.isUp = true;
  const second = await open("two");

  expect(second.state().text).toBe("name: B\n");
  await second.flush();
  expect(server.draft?.text).toBe("name: B\n");
  await vi.waitFor(async () => expect(await stored()).toEqual([]));
});

test("typing sends one request after a pause, and all of it", async () => {
  const session = await open("one");
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });

  for (const text of ["name: B", "name: Be", "name: Bee"]) {
    session.dispatch({ type: "edited", text });
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(server.requests).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(400);

  expect(server.requests.map(({ text }) => text)).toEqual(["name: Bee"]);
});

test("a request without an answer is repeated unchanged before later text is sent", async () => {
  server.isUp = false;
  const session = await open("one");
  session.dispatch({ type: "edited", text: "name: B" });
  await session.flush();

  session.dispatch({ type: "edited", text: "name: Bee" });
  server.isUp = true;
  await session.flush();

  expect(server.requests.map(({ text }) => text)).toEqual(["name: B", "name: B", "name: Bee"]);
});

test("without IndexedDB, a text is at risk until the server has it", async () => {
  server.isUp = false;
  const refuse = async () => {
    throw new Error("refused");
  };
  const session = await open("one", { storage: { read: refuse, write: refuse } });

  session.dispatch({ type: "edited", text: "name: B" });
  await vi.waitFor(() => expect(session.isAtRisk).toBe(true));
  server.isUp = true;
  await session.flush();

  expect(session.isAtRisk).toBe(false);
});
