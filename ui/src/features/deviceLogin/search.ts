/** Search parameters of the page that confirms a login of `stepiq`. */

/** The code that the program shows. */
export type CodeSearch = { code?: string };

const LONGEST = 20;

export function readCode(search: Record<string, unknown>): CodeSearch {
  // A code of digits only would be read as a number. Codes have none, but a person can type them.
  const code = typeof search.code === "number" ? String(search.code) : search.code;
  return typeof code === "string" && code.trim() && code.length <= LONGEST
    ? { code: code.trim() }
    : {};
}

/** A code as the program shows it: `bcdfghjk` is `BCDF-GHJK`. Other texts stay as they are. */
export function shownCode(text: string): string {
  const letters = text.toUpperCase().replace(/[^A-Z]/g, "");
  return letters.length === 8 ? `${letters.slice(0, 4)}-${letters.slice(4)}` : text;
}
