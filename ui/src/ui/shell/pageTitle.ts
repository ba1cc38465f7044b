import { useEffect, useSyncExternalStore } from "react";

/** A page above the current one in the breadcrumb. */
export type Parent = { label: string; href: string };
type PageTitle = { title: string; parents: readonly Parent[] };

let current: PageTitle | null = null;
const listeners = new Set<() => void>();

function set(next: PageTitle | null): void {
  current = next;
  document.title = next === null ? "stepIQ" : `${next.title} · stepIQ`;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Set the title of the browser's tab and the end of the breadcrumb. `PageHeader` does it. */
export function usePageTitle(title: string, parents: readonly Parent[] = []): void {
  const key = JSON.stringify({ title, parents });
  useEffect(() => {
    const mine = JSON.parse(key) as PageTitle;
    set(mine);
    return () => {
      if (current === mine) set(null);
    };
  }, [key]);
}

export function useCurrentTitle(): PageTitle | null {
  return useSyncExternalStore(subscribe, () => current);
}
