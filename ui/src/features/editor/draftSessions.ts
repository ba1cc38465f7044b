import { useSyncExternalStore } from "react";
import { beforeSignOut } from "@/ui/shell/signOutChecks";
import { draftServer } from "./draftServer";
import { type DraftChannel, DraftSession } from "./draftSession";
import { DraftStorage } from "./draftStorage";
import { endedTabs, tabName } from "./draftTab";
import type { DraftEvent } from "./draftTypes";

type Entry = { session: Promise<DraftSession>; opened: DraftSession | null; users: number };

/** The drafts that this tab edits. A draft stays until the server has its text, also after its page is left. */
const entries = new Map<string, Entry>();

function channelOf(user: string, id: string): DraftChannel {
  const channel = new BroadcastChannel(`stepiq-draft-${user}-${id}`);
  return {
    post: (message) => channel.postMessage(message),
    listen: (listener) => {
      channel.onmessage = ({ data }: MessageEvent<DraftEvent>) => listener(data);
      return () => channel.close();
    },
  };
}

async function open(user: string, id: string): Promise<DraftSession> {
  const tab = await tabName();
  const storage = new DraftStorage(user, tab);
  return DraftSession.open(id, {
    server: draftServer,
    storage,
    channel: channelOf(user, id),
    endedTabs,
  });
}

/** The draft of a pipeline. Call `release` when its page is left. */
export function acquireDraft(user: string, id: string): Promise<DraftSession> {
  const known = entries.get(id);
  if (known !== undefined) {
    known.users += 1;
    return known.session;
  }
  const entry: Entry = { session: open(user, id), opened: null, users: 1 };
  entries.set(id, entry);
  entry.session.then(
    (session) => {
      entry.opened = session;
      session.subscribe(() => closeIfDone(id));
    },
    () => entries.delete(id),
  );
  return entry.session;
}

export function releaseDraft(id: string): void {
  const entry = entries.get(id);
  if (entry === undefined) return;
  entry.users -= 1;
  void entry.opened?.flush();
  closeIfDone(id);
}

function closeIfDone(id: string): void {
  const entry = entries.get(id);
  if (!entry?.opened || entry.users > 0 || !entry.opened.isSettled) return;
  entry.opened.close();
  entries.delete(id);
}

export function useDraftState(session: DraftSession) {
  return useSyncExternalStore(session.subscribe, session.state);
}

function openedDrafts(): DraftSession[] {
  return [...entries.values()].flatMap(({ opened }) => (opened === null ? [] : [opened]));
}

/** Called once, when the first editor opens. */
let isWatching = false;
export function watchBrowser(): void {
  if (isWatching) return;
  isWatching = true;
  window.addEventListener("online", () => {
    for (const draft of openedDrafts()) draft.retry();
  });
  document.addEventListener("visibilitychange", () => {
    const isHidden = document.visibilityState === "hidden";
    // The server has the newest text when another device opens it. Other members may have begun to write meanwhile.
    for (const draft of openedDrafts()) void (isHidden ? draft.flush() : draft.readOthers());
  });
  window.addEventListener("beforeunload", (event) => {
    if (openedDrafts().some((draft) => draft.isAtRisk)) event.preventDefault();
  });
  beforeSignOut(async () => {
    const kept = await Promise.all(openedDrafts().map((draft) => draft.flush()));
    return kept.every(Boolean) ? null : NOT_KEPT;
  });
}

const NOT_KEPT =
  "The server does not have your last changes to a pipeline. This browser keeps them, and shows them when you open the pipeline here again.";
