import { ApiError } from "@/api/errors";
import { choiceLines, mergeHunks } from "./draftMerge";
import { ancestorOf, neededVersion, needsRequest, recordOf } from "./draftNeeds";
import { ServerModel } from "./draftServerModel";
import { openDraft, reduceDraft } from "./draftState";
import type { DraftEvent, DraftRequest, DraftState, LocalRecord } from "./draftTypes";

export type Action =
  | { do: "type"; tab: number; at: number; joins: boolean }
  | { do: "flush" | "save" | "hear" | "kill" | "open" | "resolve"; tab: number }
  | { do: "deliver"; tab: number; how: "ok" | "answer lost" | "request lost" | "late" }
  | { do: "arriveLate" | "memberSaves" };

type Tab = { name: string; state: DraftState; inbox: DraftEvent[] };

/** A server, the tabs of one person, and what IndexedDB holds. Typed texts are unique words. */
export class World {
  readonly server: ServerModel;
  readonly tabs: (Tab | null)[] = [null, null, null];
  readonly stored = new Map<string, LocalRecord>();
  readonly words: string[] = [];
  readonly #late: DraftRequest[] = [];
  #opened = 0;

  constructor(isNew: boolean) {
    this.server = new ServerModel(isNew);
    this.open(0);
  }

  perform(action: Action): void {
    if (!("tab" in action)) this.#happens(action.do);
    else if (action.do === "open") this.open(action.tab);
    else if (action.do === "kill") this.tabs[action.tab] = null;
    else this.#performIn(this.tabs[action.tab], action);
  }

  #happens(what: "arriveLate" | "memberSaves"): void {
    if (what === "arriveLate") {
      const request = this.#late.shift();
      if (request) this.server.answer(request);
      return;
    }
    if (what === "memberSaves" && this.server.version !== null) {
      this.server.save(`${this.server.text}# ${this.word()}\n`);
    }
  }

  #performIn(tab: Tab | null | undefined, action: Extract<Action, { tab: number }>): void {
    if (!tab) return;
    if (action.do === "type") this.type(tab, action.at, action.joins);
    else if (action.do === "deliver") this.deliver(tab, action.how);
    else if (action.do === "resolve") this.resolve(tab);
    else if (action.do === "flush" || action.do === "save") this.apply(tab, { type: action.do });
    else if (action.do === "hear") {
      const message = tab.inbox.shift();
      if (message) this.apply(tab, message);
    }
  }

  word(): string {
    const word = `word${this.words.length}.`;
    this.words.push(word);
    return word;
  }

  open(at: number): void {
    if (this.tabs[at]) return;
    const { server } = this;
    const { draft } = server;
    const version = draft === null ? server.version : draft.baseVersion;
    const text = version === null ? "" : (server.texts.get(version) ?? null);
    const live = new Set(this.tabs.map((tab) => tab?.name));
    const orphans = [...this.stored.values()].filter(({ tab }) => !live.has(tab));
    this.#opened += 1;
    const base = { version, text };
    const known = orphans.map((record) => {
      const ancestor = ancestorOf(record, { draft, base });
      const from = "text" in ancestor ? ancestor.text : this.textOf(ancestor.version);
      return { tab: record.tab, text: record.text, ancestor: from };
    });
    const state = openDraft({ draft, base, latestVersion: server.version, orphans: known });
    const tab = { name: `tab${this.#opened}`, state, inbox: [] };
    this.tabs[at] = tab;
    this.store(tab);
  }

  type(tab: Tab, at: number, joins: boolean): void {
    if (tab.state.conflict) return;
    const lines = tab.state.text.split("\n");
    const index = at % lines.length;
    const word = this.word();
    if (joins) lines[index] += ` ${word}`;
    else lines.splice(index, 0, word);
    this.apply(tab, { type: "edited", text: lines.join("\n") });
  }

  deliver(tab: Tab, how: (Action & { do: "deliver" })["how"]): void {
    const { request } = tab.state;
    if (request === null) return;
    if (how === "late") this.#late.push(request);
    const event = how === "ok" || how === "answer lost" ? this.server.answer(request) : null;
    if (how !== "ok" || event === null) {
      this.apply(tab, { type: "noAnswer", error: ApiError.unreachable() });
      return;
    }
    this.apply(tab, event);
    const message = messageOf(request, event);
    for (const other of this.tabs) if (message && other && other !== tab) other.inbox.push(message);
  }

  /** Keep both sides of each hunk. */
  resolve(tab: Tab): void {
    const { conflict, text } = tab.state;
    if (conflict === null) return;
    const lines = mergeHunks(conflict.base ?? "", text, conflict.theirs).flatMap((hunk) =>
      choiceLines(hunk, "both"),
    );
    this.apply(tab, { type: "resolved", text: lines.join("\n") });
  }

  apply(tab: Tab, event: DraftEvent): void {
    tab.state = reduceDraft(tab.state, event);
    const version = neededVersion(tab.state);
    if (version !== null) {
      const text = this.textOf(version);
      tab.state = reduceDraft(tab.state, { type: "versionLoaded", version, text });
    }
    this.store(tab);
  }

  textOf(version: number | null): string {
    return version === null ? "" : (this.server.texts.get(version) ?? "");
  }

  store({ name, state }: Tab): void {
    const record = recordOf(state);
    if (record === null) this.stored.delete(name);
    else this.stored.set(name, { tab: name, ...record });
    for (const absorbed of state.absorbed) this.stored.delete(absorbed);
  }

  /** Every word is in an editor, in IndexedDB, on the server, or shown in a conflict. */
  expectAllKnown(): void {
    const places = [
      this.server.text,
      this.server.draft?.text ?? "",
      ...[...this.stored.values()].map(({ text }) => text),
      ...this.tabs.flatMap((tab) => [tab?.state.text ?? "", tab?.state.conflict?.theirs ?? ""]),
    ].join("\n");
    expectWords(this.words, places);
  }

  /** All requests are answered, all conflicts are resolved, and ended tabs are opened again. */
  settle(): void {
    for (let round = 0; round < 100; round++) {
      for (const index of this.tabs.keys()) {
        this.open(index);
        const tab = this.tabs[index];
        if (!tab) continue;
        this.resolve(tab);
        if (round > 5 && this.server.version !== tab.state.base.version) {
          if (tab.state.request === null) this.apply(tab, { type: "save" });
        } else this.apply(tab, { type: "flush" });
        this.deliver(tab, "ok");
        for (let message = tab.inbox.shift(); message; message = tab.inbox.shift()) {
          this.apply(tab, message);
        }
      }
      if (round > 5 && this.tabs.every((tab) => tab && isQuiet(tab.state))) break;
    }
    // Only the newest state counts now: one tab saves, and the others end.
    this.tabs.fill(null);
    this.open(0);
    const tab = this.tabs[0] as Tab;
    for (
      let round = 0;
      round < 50 && (round === 0 || this.server.draft !== null || !isQuiet(tab.state));
      round++
    ) {
      this.resolve(tab);
      this.apply(tab, { type: "save" });
      this.deliver(tab, "ok");
    }
  }

  expectAllSaved(): void {
    expectWords(this.words, this.server.text);
    if (this.stored.size > 0) throw new Error(`Records remain: ${[...this.stored.keys()]}`);
  }
}

function isQuiet(state: DraftState): boolean {
  return state.request === null && state.conflict === null && !needsRequest(state);
}

function messageOf(request: DraftRequest, event: DraftEvent): DraftEvent | null {
  if (event.type === "kept") {
    return { type: "otherTabKept", previous: request.revision, draft: event.draft };
  }
  if (event.type !== "saved") return null;
  const { text, baseVersion: replaced, revision } = request;
  return { type: "otherTabSaved", version: event.version, text, replaced, revision };
}

function expectWords(words: readonly string[], text: string): void {
  const lost = words.filter((word) => !text.includes(word));
  if (lost.length > 0) throw new Error(`Lost: ${lost.join(" ")}`);
}
