/** The visible rows of a JSON tree. Only opened values are visited, so a large value costs nothing until it is opened. */

import { formatNumber } from "../format/numbers";

export type JsonRow = {
  /** Path of the value: "/steps/0/name". Paths of ranges end with "[0-999]". */
  path: string;
  level: number;
  /** Name of the property, index, or range of indexes. Null at the root. */
  name: string | null;
  kind: "object" | "array" | "range" | "text" | "number" | "boolean" | "null";
  /** What the row shows: a scalar, or a summary such as "12 items". */
  text: string;
  isExpandable: boolean;
  isExpanded: boolean;
  position: number;
  siblings: number;
  value: unknown;
};

/** Larger objects and arrays are divided into ranges. */
const RANGE = 1000;
/** Characters of a text that its row contains. The complete text can be copied, or opened in a viewer. */
const MAX_TEXT = 300;

type Child = { name: string; path: string; value: unknown; isRange: boolean };

class Range {
  constructor(
    readonly parent: string,
    readonly entries: readonly [string, unknown][],
  ) {}
}

export function jsonRows(value: unknown, expanded: ReadonlySet<string>): JsonRow[] {
  const rows: JsonRow[] = [];
  const visit = (
    child: Child,
    name: string | null,
    level: number,
    position: number,
    siblings: number,
  ) => {
    const isExpandable = sizeOf(child.value) > 0;
    const isExpanded = isExpandable && expanded.has(child.path);
    const described = describe(child.value);
    const { path } = child;
    rows.push({
      ...described,
      path,
      level,
      name,
      isExpandable,
      isExpanded,
      position,
      siblings,
      value: child.value,
    });
    if (!isExpanded) return;
    const children = childrenOf(child);
    children.forEach((each, index) => {
      visit(each, each.name, level + 1, index + 1, children.length);
    });
  };
  visit({ name: "", path: "", value, isRange: false }, null, 1, 1, 1);
  return rows;
}

function sizeOf(value: unknown): number {
  if (value instanceof Range) return value.entries.length;
  if (Array.isArray(value)) return value.length;
  return typeof value === "object" && value !== null ? Object.keys(value).length : 0;
}

function childrenOf({ path, value }: Child): Child[] {
  const isRange = value instanceof Range;
  const entries = isRange ? value.entries : Object.entries(value as object);
  const base = isRange ? value.parent : path;
  if (isRange || entries.length <= RANGE) {
    return entries.map(([name, each]) => ({
      name,
      path: `${base}/${pointer(name)}`,
      value: each,
      isRange: false,
    }));
  }
  const ranges: Child[] = [];
  for (let start = 0; start < entries.length; start += RANGE) {
    const part = entries.slice(start, start + RANGE);
    const name = `[${start}-${start + part.length - 1}]`;
    ranges.push({ name, path: `${path}/${name}`, value: new Range(path, part), isRange: true });
  }
  return ranges;
}

function pointer(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

function describe(value: unknown): Pick<JsonRow, "kind" | "text"> {
  if (value instanceof Range) return { kind: "range", text: "" };
  if (Array.isArray(value)) return { kind: "array", text: `[ ${counted(value.length, "item")} ]` };
  switch (typeof value) {
    case "string":
      return { kind: "text", text: quoted(value) };
    case "number":
      return { kind: "number", text: String(value) };
    case "boolean":
      return { kind: "boolean", text: String(value) };
    case "object":
      if (value !== null) {
        return { kind: "object", text: `{ ${counted(Object.keys(value).length, "field")} }` };
      }
  }
  return { kind: "null", text: "null" };
}

function counted(count: number, noun: string): string {
  return `${formatNumber(count)} ${noun}${count === 1 ? "" : "s"}`;
}

function quoted(text: string): string {
  return text.length <= MAX_TEXT
    ? JSON.stringify(text)
    : `${JSON.stringify(text.slice(0, MAX_TEXT)).slice(0, -1)}… (${formatNumber(text.length)} characters)`;
}

/** The root, and below it what fits on a screen. */
export function initiallyExpanded(value: unknown): Set<string> {
  const expanded = new Set([""]);
  if (typeof value !== "object" || value === null) return expanded;
  const entries = Object.entries(value);
  if (entries.length > 20) return expanded;
  for (const [name, each] of entries) {
    if (sizeOf(each) > 0 && sizeOf(each) <= 5) expanded.add(`/${pointer(name)}`);
  }
  return expanded;
}
