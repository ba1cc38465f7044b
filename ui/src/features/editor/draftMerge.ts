import { diff3MergeRegions } from "node-diff3";

/** A part of a three-way merge, in lines. */
export type Hunk =
  /** Nobody changed it, or both made the same change. */
  | { kind: "same"; lines: readonly string[] }
  /** Only one side changed it. */
  | { kind: "mine" | "theirs"; lines: readonly string[] }
  /** Both changed it in different ways. */
  | {
      kind: "conflict";
      base: readonly string[];
      mine: readonly string[];
      theirs: readonly string[];
    };

const KINDS = { o: "same", a: "mine", b: "theirs" } as const;

/** The merge of two texts that come from the same base. */
export function mergeHunks(base: string, mine: string, theirs: string): Hunk[] {
  const regions = diff3MergeRegions(mine.split("\n"), base.split("\n"), theirs.split("\n"));
  return regions.map((region): Hunk => {
    if (region.stable) return { kind: KINDS[region.buffer], lines: region.bufferContent };
    const { aContent, oContent, bContent } = region;
    if (aContent.join("\n") === bContent.join("\n") && aContent.length === bContent.length) {
      return { kind: "same", lines: aContent };
    }
    return { kind: "conflict", base: oContent, mine: aContent, theirs: bContent };
  });
}

/** Both sets of changes in one text, or null if a line was changed by both. */
export function mergeTexts(base: string, mine: string, theirs: string): string | null {
  if (mine === theirs || theirs === base) return mine;
  if (mine === base) return theirs;
  const lines: string[] = [];
  for (const hunk of mergeHunks(base, mine, theirs)) {
    if (hunk.kind === "conflict") return null;
    lines.push(...hunk.lines);
  }
  return lines.join("\n");
}

export type Choice = "mine" | "theirs" | "both";

/** The lines of a part after a person has chosen. */
export function choiceLines(hunk: Hunk, choice: Choice): readonly string[] {
  if (hunk.kind !== "conflict") return hunk.lines;
  return choice === "both" ? [...hunk.theirs, ...hunk.mine] : hunk[choice];
}
