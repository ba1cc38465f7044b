/** What the layout of a graph consists of. All lengths are pixels at a zoom of 1. */

/** The lines of a box are drawn with these heights, so that the layout needs no browser. */
export const WIDTH = 216;
export const HEAD = 56;
export const ROW = 22;
export const TITLE = 26;
/** Jumps of a step that its box lists. */
export const MAX_ROWS = 6;

export type Point = readonly [x: number, y: number];

export type Box = {
  key: string;
  kind: "step" | "branch" | "end";
  /** How many boxes contain it. */
  level: number;
  x: number;
  y: number;
  width: number;
  height: number;
};

export type Tag = { text: string; x: number; y: number };

/** A line from one box to another. Its corners are right-angled. */
export type Line = {
  id: string;
  source: string;
  target: string;
  /** Whether the run takes it without a jump, or a step that always jumps. */
  isOnlyWay: boolean;
  points: readonly Point[];
  tags: readonly Tag[];
};

export type Layout = {
  width: number;
  height: number;
  boxes: readonly Box[];
  lines: readonly Line[];
};

/** A step of a sequence with its place. */
export type Item = { key: string; rank: number; layout: Layout; x: number; y: number };

export function moved(layout: Layout, dx: number, dy: number): Layout {
  return {
    ...layout,
    boxes: layout.boxes.map((box) => ({ ...box, x: box.x + dx, y: box.y + dy })),
    lines: layout.lines.map((line) => ({
      ...line,
      points: line.points.map(([x, y]) => [x + dx, y + dy] as const),
      tags: line.tags.map((tag) => ({ ...tag, x: tag.x + dx, y: tag.y + dy })),
    })),
  };
}
