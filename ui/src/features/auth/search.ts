/** Search parameters of the pages for visitors. */

/** Where the browser goes after signing in: a path of this server. Other values are ignored. */
export type NextSearch = { next?: string };

export function readNext(search: Record<string, unknown>): NextSearch {
  const { next } = search;
  return typeof next === "string" && isLocalPath(next) ? { next } : {};
}

/** Whether a browser resolves the text to an address of this server. "//host" and "/\host" are other servers. */
export function isLocalPath(text: string): boolean {
  try {
    return text.startsWith("/") && new URL(text, "http://here.invalid").host === "here.invalid";
  } catch {
    return false;
  }
}

/** The value of a parameter in the fragment, which browsers do not send to the server. */
export function readFragment(hash: string, name: string): string | null {
  return new URLSearchParams(hash.replace(/^#/, "")).get(name) || null;
}
