import { Unread } from "./issues";
import { strings } from "./strings";

const texts = strings.issues;
const EXAMPLES: Readonly<Record<string, string>> = {
  array: '["one", "two"]',
  object: '{"name": "value"}',
};

/** A value as the text of a field. */
export function shownText(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (value instanceof Unread) return value.text;
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

export function readNumber(text: string): number | Unread {
  const number = Number(text);
  return Number.isFinite(number) ? number : new Unread(text, texts.notNumber);
}

export function readJson(text: string, type: unknown): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return new Unread(text, texts.notJsonLike(EXAMPLES[String(type)] ?? '"text" or 3'));
  }
}

/** An instant as a field for local times shows it. Null: it cannot. */
export function localTime(value: unknown): string | null {
  if (value === undefined || value === null) return "";
  const time = typeof value === "string" ? new Date(value) : new Date(Number.NaN);
  if (Number.isNaN(time.getTime())) return null;
  const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}
