import { asApiError } from "@/api/errors";
import { ancestorOf, isKept, neededVersion, needsRequest, recordOf } from "./draftNeeds";
import type { DraftServer, OpenedDraft } from "./draftServer";
import { openDraft, reduceDraft } from "./draftState";
import type { DraftStorage } from "./draftStorage";
import type { DraftEvent, DraftRequest, DraftState, LocalRecord, Orphan } from "./draftTypes";

export type DraftChannel = {
  post: (message: DraftEvent) => void;
  listen: (listener: (message: DraftEvent) => void) => () => void;
};

export type DraftParts = {
  server: DraftServer;
  storage: Pick<DraftStorage, "read" | "write">;
  channel: DraftChannel;
  /** Of the named tabs, those that have ended. */
  endedTabs: (names: readonly string[]) => Promise<string[]>;
};

const PAUSE_MS = 400;
const LONGEST_WAIT_MS = 2000;
const RETRY_MS = [1000, 2000, 4000, 8000, 15_000];

/** Performs what the state of a draft demands: it stores the text in IndexedDB, and sends requests. */
export class DraftSession {
  readonly id: string;
  readonly #parts: DraftParts;
  readonly #listeners = new Set<() => void>();
  readonly #stopListening: () => void;
  #state: DraftState;
  #stored: ReturnType<typeof recordOf> = null;
  #absorbed = 0;
  #isStoring = false;
  #storageError: unknown = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dirtySince: number | null = null;
  #attempts = 0;
  #loading: number | null = null;

  private constructor(id: string, state: DraftState, parts: DraftParts) {
    this.id = id;
    this.#state = state;
    this.#parts = parts;
    this.#stopListening = parts.channel.listen((message) => this.dispatch(message));
    this.#act();
  }

  static async open(id: string, parts: DraftParts): Promise<DraftSession> {
    const [opened, records] = await Promise.all([
      parts.server.open(id),
      // Private windows can refuse IndexedDB. The server then has the only copy.
      parts.storage.read(id).catch(() => []),
    ]);
    const { draft, current, latestVersion } = opened;
    const version = draft === null ? (current?.version ?? null) : draft.baseVersion;
    const base = { version, text: current?.text ?? (version === null ? "" : null) };
    const orphans = await readOrphans(id, { ...opened, base }, records, parts);
    const state = openDraft({ draft, base, latestVersion, others: opened.others, orphans });
    return new DraftSession(id, state, parts);
  }

  readonly state = (): DraftState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Whether the text would be lost if the browser ended now. */
  get isAtRisk(): boolean {
    return this.#storageError !== null && !isKept(this.#state);
  }

  /** Whether nothing remains to be sent or stored. */
  get isSettled(): boolean {
    return this.#state.request === null && isKept(this.#state) && !this.#isStoring;
  }

  readonly dispatch = (event: DraftEvent): void => {
    const next = reduceDraft(this.#state, event);
    if (next === this.#state) return;
    const { request } = this.#state;
    this.#state = next;
    this.#act();
    if (next.request !== null && next.request !== request) void this.#send(next.request);
    this.#notify();
  };

  /** Send the text now. Returns whether the server then has it. */
  async flush(): Promise<boolean> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#state.request !== null && this.#state.unreachable !== null) {
      await this.#send(this.#state.request);
    }
    this.dispatch({ type: "flush" });
    const isDone = () =>
      this.#state.unreachable !== null ||
      (this.#state.request === null && !needsRequest(this.#state));
    await new Promise<void>((resolve) => {
      const check = () => {
        if (!isDone()) return this.dispatch({ type: "flush" });
        stop();
        resolve();
      };
      const stop = this.subscribe(check);
      check();
    });
    return isKept(this.#state);
  }

  /** Delete the draft, and go back to the version that was edited. */
  async discard(): Promise<void> {
    const { draft } = this.#state;
    if (draft !== null) await this.#parts.server.discard(this.id, draft.revision);
    this.dispatch({ type: "discarded" });
    this.#parts.channel.post({ type: "otherTabDiscarded" });
  }

  /** Try again now, such as when the network is back. */
  readonly retry = (): void => {
    const { request, unreachable } = this.#state;
    if (request !== null && unreachable !== null) void this.#send(request);
  };

  /** Read again which members have unsaved changes. */
  async readOthers(): Promise<void> {
    // Nobody else can see a pipeline that was never saved.
    if (this.#state.latestVersion === null) return;
    const others = await this.#parts.server.others(this.id);
    if (others !== null) this.dispatch({ type: "othersRead", others });
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#stopListening();
  }

  #act(): void {
    void this.#store();
    void this.#load();
    if (!needsRequest(this.#state)) this.#dirtySince = null;
    else this.#schedule();
  }

  #schedule(): void {
    const now = Date.now();
    this.#dirtySince ??= now;
    const wait = Math.max(0, Math.min(PAUSE_MS, this.#dirtySince + LONGEST_WAIT_MS - now));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.dispatch({ type: "flush" }), wait);
  }

  async #send(request: DraftRequest): Promise<void> {
    clearTimeout(this.#timer);
    const event = await this.#parts.server.send(this.id, request);
    if (this.#state.request !== request) return;
    this.dispatch(event);
    if (event.type === "noAnswer") {
      const wait = RETRY_MS[Math.min(this.#attempts, RETRY_MS.length - 1)];
      this.#attempts += 1;
      this.#timer = setTimeout(this.retry, wait);
      return;
    }
    this.#attempts = 0;
    const { text, baseVersion: replaced, revision } = request;
    if (event.type === "kept") {
      this.#parts.channel.post({ type: "otherTabKept", previous: revision, draft: event.draft });
    } else if (event.type === "saved") {
      const { version } = event;
      this.#parts.channel.post({ type: "otherTabSaved", version, text, replaced, revision });
    }
  }

  /** Store the newest text. While a write goes on, later texts wait for it, and only the newest is written. */
  async #store(): Promise<void> {
    if (this.#isStoring) return;
    this.#isStoring = true;
    try {
      for (;;) {
        const record = recordOf(this.#state);
        const { absorbed } = this.#state;
        if (isSame(record, this.#stored) && absorbed.length === this.#absorbed) break;
        await this.#parts.storage.write(this.id, record, absorbed.slice(this.#absorbed));
        this.#stored = record;
        this.#absorbed = absorbed.length;
        this.#storageError = null;
      }
    } catch (error) {
      this.#storageError = error;
    } finally {
      this.#isStoring = false;
      if (this.isSettled) this.#notify();
    }
  }

  async #load(): Promise<void> {
    const version = neededVersion(this.#state);
    if (version === null || version === this.#loading) return;
    this.#loading = version;
    try {
      const text = await this.#parts.server.versionText(this.id, version);
      this.dispatch({ type: "versionLoaded", version, text });
    } catch (error) {
      if (asApiError(error).isTransient) setTimeout(() => void this.#load(), RETRY_MS[1]);
    } finally {
      this.#loading = null;
    }
  }
}

function isSame(one: ReturnType<typeof recordOf>, other: ReturnType<typeof recordOf>): boolean {
  if (one === null || other === null) return one === other;
  return (
    one.text === other.text &&
    one.sent === other.sent &&
    one.baseVersion === other.baseVersion &&
    one.draft?.text === other.draft?.text
  );
}

async function readOrphans(
  id: string,
  opened: OpenedDraft & { base: DraftState["base"] },
  records: readonly LocalRecord[],
  { server, endedTabs }: DraftParts,
): Promise<Orphan[]> {
  const ended = await endedTabs(records.map(({ tab }) => tab));
  const orphans = records.filter(({ tab }) => ended.includes(tab));
  return Promise.all(
    orphans.map(async (record) => {
      const from = ancestorOf(record, opened);
      const ancestor = "text" in from ? from.text : await server.versionText(id, from.version);
      return { tab: record.tab, text: record.text, ancestor };
    }),
  );
}
