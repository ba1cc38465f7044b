import { LOCALE } from "./locale";

const list = new Intl.ListFormat(LOCALE);

/** Names as part of an English sentence: “a”, “b”, and “c”. */
export function formatNames(names: readonly string[]): string {
  return list.format(names.map((name) => `“${name}”`));
}
