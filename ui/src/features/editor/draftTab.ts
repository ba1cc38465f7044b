/** The identity of this tab. Other tabs can find out whether it has ended. */

const PREFIX = "stepiq-tab-";

function newName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const name = newName();
let held: Promise<void> | null = null;

/** The name of this tab. The browser releases its lock when the tab ends, also after a crash. */
export async function tabName(): Promise<string> {
  held ??= new Promise((resolve) => {
    // Browsers have locks on https and on this computer only.
    if (navigator.locks === undefined) resolve();
    else void navigator.locks.request(PREFIX + name, () => new Promise(() => resolve()));
  });
  await held;
  return name;
}

/** Those of the tabs that have ended. Without locks, all of them: merging a text twice does no harm. */
export async function endedTabs(names: readonly string[]): Promise<string[]> {
  const others = names.filter((each) => each !== name);
  if (navigator.locks === undefined || others.length === 0) return others;
  const locks = await navigator.locks.query();
  const live = new Set((locks.held ?? []).map((lock) => lock.name));
  return others.filter((each) => !live.has(PREFIX + each));
}
