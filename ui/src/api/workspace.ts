import { readStorage, writeStorage } from "./storage";

/**
 * The workspace of this tab. Each request names it, so tabs can show different workspaces.
 *
 * The tab keeps it in its session storage. A new tab begins with the workspace that the person has used last in this
 * browser, whose id is in the local storage.
 */

const KEY = "stepiq-workspace";

/** A workspace that a tab has shown. Its name is for the notice when the person is no longer a member. */
type Shown = { id: string; name: string; userId: string };
/** The name is null until the tab has shown the workspace. */
type Used = { id: string; name: string | null; userId: string };

let used: Used | null = null;

/** The workspace that this tab has shown, also before its last reload. */
export function shownWorkspace(): Shown | null {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "null") as Shown | null;
  } catch {
    return null;
  }
}

function writeShown(shown: Shown | null): void {
  try {
    if (shown === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify(shown));
  } catch {
    // The tab then begins with the last used workspace after a reload.
  }
}

function lastKey(userId: string): string {
  return `${KEY}-${userId}`;
}

/** The id for `X-Workspace`. Null: the server uses the first workspace of the person. */
export function currentWorkspace(): string | null {
  return used?.id ?? null;
}

/** The workspace of `X-Workspace`, and the person whose it is. */
export function usedWorkspace(): Used | null {
  return used;
}

/** Continue with the workspace that a person has used in this tab, or else last in this browser. */
export function recallWorkspace(userId: string | null): void {
  used = null;
  if (userId === null) return;
  const shown = shownWorkspace();
  if (shown?.userId === userId) {
    used = shown;
    return;
  }
  // Nobody may read the name of another person's workspace.
  writeShown(null);
  const id = readStorage(lastKey(userId));
  if (id !== null) used = { id, name: null, userId };
}

/** Use a workspace from the next request on. */
export function chooseWorkspace(shown: Shown): void {
  used = shown;
  writeShown(shown);
  writeStorage(lastKey(shown.userId), shown.id);
}

/** Use the first workspace of the person in this tab. */
export function dropWorkspace(): void {
  used = null;
  writeShown(null);
}

/** The person is no longer a member of the workspace of this tab: no new tab begins with it. */
export function forgetWorkspace(): void {
  if (used !== null && readStorage(lastKey(used.userId)) === used.id) {
    writeStorage(lastKey(used.userId), null);
  }
  dropWorkspace();
}

/** A link in a new tab opens in the workspace of the tab that the person has used last. */
export function rememberWorkspaceOnFocus(hasEnded: () => boolean): void {
  window.addEventListener("focus", () => {
    const shown = shownWorkspace();
    // The person may have left the workspace, which ends the session.
    if (shown !== null && !hasEnded()) writeStorage(lastKey(shown.userId), shown.id);
  });
}
