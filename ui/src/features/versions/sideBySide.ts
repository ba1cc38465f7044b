import { diffLines } from "diff";

type Line = { number: number; text: string };
export type DiffRow =
  | { kind: "same"; left: Line; right: Line }
  /** Changed lines, beside each other. A line that only one text has is alone. */
  | { kind: "changed"; left: Line | null; right: Line | null }
  /** Lines that are the same and not shown. */
  | { kind: "folded"; count: number };

const CONTEXT = 3;

function linesOf(text: string): string[] {
  const lines = text.split("\n");
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

/** Two texts line by line. With `isFolded`, only the changed lines and a few around them. */
export function sideBySide(before: string, after: string, isFolded: boolean): DiffRow[] {
  const rows: DiffRow[] = [];
  let [left, right] = [0, 0];
  let removed: Line[] = [];
  let added: Line[] = [];
  const flush = () => {
    for (let index = 0; index < Math.max(removed.length, added.length); index += 1) {
      rows.push({
        kind: "changed",
        left: removed[index] ?? null,
        right: added[index] ?? null,
      });
    }
    removed = [];
    added = [];
  };
  for (const part of diffLines(before, after)) {
    for (const text of linesOf(part.value)) {
      if (part.removed) {
        left += 1;
        removed.push({ number: left, text });
      } else if (part.added) {
        right += 1;
        added.push({ number: right, text });
      } else {
        flush();
        left += 1;
        right += 1;
        rows.push({ kind: "same", left: { number: left, text }, right: { number: right, text } });
      }
    }
  }
  flush();
  return isFolded ? folded(rows) : rows;
}

function folded(rows: readonly DiffRow[]): DiffRow[] {
  const shown = new Set<number>();
  rows.forEach(({ kind }, index) => {
    if (kind !== "changed") return;
    for (let near = index - CONTEXT; near <= index + CONTEXT; near += 1) shown.add(near);
  });
  const kept: DiffRow[] = [];
  let count = 0;
  const close = () => {
    if (count > 0) kept.push({ kind: "folded", count });
    count = 0;
  };
  rows.forEach((row, index) => {
    if (!shown.has(index)) {
      count += 1;
      return;
    }
    close();
    kept.push(row);
  });
  close();
  return kept;
}
