import { isNode, LineCounter, parseDocument } from "yaml";
import { everyStep, type Step, stepsOf } from "./steps";

/** Where a step is in the text: offsets of its first character and of what follows it, and the line, from 1. */
export type Place = { start: number; end: number; line: number; column: number };

export type Reading = { steps: readonly Step[]; places: Record<string, Place> };

/** The steps of a text. Null: the text cannot be read, or has no steps. */
export function readPipeline(text: string): Reading | null {
  const lines = new LineCounter();
  let document: ReturnType<typeof parseDocument>;
  let value: unknown;
  try {
    document = parseDocument(text, { lineCounter: lines, logLevel: "silent", uniqueKeys: false });
    value = document.errors.length > 0 ? null : document.toJS({ maxAliasCount: 100 });
  } catch {
    return null;
  }
  const steps = stepsOf(value);
  if (steps === null) return null;
  const places: Record<string, Place> = {};
  for (const { key } of everyStep(steps)) {
    const node = document.getIn(key.split(".").map(partOf), true);
    if (!isNode(node) || !node.range) continue;
    const [start, , end] = node.range;
    const { line, col } = lines.linePos(start);
    // The mark of a list item belongs to the step.
    const before = text.slice(start - col + 1, start);
    const first = /^[\s-]*$/.test(before) ? start - before.length : start;
    // The end of the text belongs to the last step.
    const after = end === text.length ? end + 1 : end;
    places[key] = { start: first, end: after, line, column: col };
  }
  return { steps, places };
}

function partOf(text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** The innermost step at an offset of the text. Between two steps, it is the one before. */
export function stepAtOffset(places: Record<string, Place>, offset: number): string | null {
  let found: string | null = null;
  for (const [key, { start, end }] of Object.entries(places)) {
    const isInside = start <= offset && offset < end;
    // Outer steps come before what they contain.
    if (isInside) found = key;
  }
  return found;
}
