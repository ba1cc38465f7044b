/** Filters of a list. Their values are the search parameters of the page, so a link restores them. */

import { formatTime } from "../format/times";

export type FilterOption = { value: string; label: string };

export type FilterDefinition =
  /** One or more of the given values. */
  | {
      id: string;
      label: string;
      kind: "choice";
      options: readonly FilterOption[];
      isSingle?: boolean;
    }
  /** Any text, such as a tag. */
  | { id: string; label: string; kind: "text"; placeholder?: string }
  /** A point in time, as ISO 8601. */
  | { id: string; label: string; kind: "time" };

/** A single value, or the values of a filter that can have several. Absent: the filter is not used. */
export type FilterValues = Readonly<Record<string, string | readonly string[] | undefined>>;

export function valuesOf(values: FilterValues, id: string): readonly string[] {
  const value = values[id];
  if (value === undefined) return [];
  return typeof value === "string" ? [value] : value;
}

/** What a chip shows for a filter that is used. */
export function chipText(filter: FilterDefinition, values: readonly string[]): string {
  return values.map((value) => valueText(filter, value)).join(", ");
}

function valueText(filter: FilterDefinition, value: string): string {
  if (filter.kind === "choice") {
    return filter.options.find((option) => option.value === value)?.label ?? value;
  }
  if (filter.kind === "time") {
    const time = new Date(value);
    return Number.isNaN(time.getTime()) ? value : formatTime(time);
  }
  return value;
}

/** A search parameter that is a non-empty text. The router turns "12" into a number, which is a text as well. */
export function readText(value: unknown): string | undefined {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A search parameter with several texts, of which only those of `allowed` are kept. */
export function readList<T extends string>(value: unknown, allowed: readonly T[]): T[] | undefined {
  const given = Array.isArray(value) ? value : [value];
  const kept = allowed.filter((each) => given.includes(each));
  return kept.length > 0 ? kept : undefined;
}

/** A search parameter with one of the texts of `allowed`. */
export function readChoice<T extends string>(value: unknown, allowed: readonly T[]): T | undefined {
  return allowed.find((each) => each === value);
}
