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

let current: string | null = null;

/** The workspace that this tab has shown, which the person may have lost meanwhile. */
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
  return current;
}

/** Continue with the workspace that a person has used in this tab, or else last in this browser. */
export function recallWorkspace(userId: string | null): void {
  const shown = shownWorkspace();
  if (userId === null) current = null;
  else current = shown?.userId === userId ? shown.id : readStorage(lastKey(userId));
}

/** Use a workspace from the next request on. */
export function chooseWorkspace(shown: Shown): void {
  current = shown.id;
  writeShown(shown);
  writeStorage(lastKey(shown.userId), shown.id);
}

/** Use the first workspace of the person. */
export function dropWorkspace(): void {
  current = null;
  writeShown(null);
}

/** A link in a new tab opens in the workspace of the tab that the person has used last. */
export function rememberWorkspaceOnFocus(): void {
  window.addEventListener("focus", () => {
    const shown = shownWorkspace();
    if (shown !== null) writeStorage(lastKey(shown.userId), shown.id);
  });
}
