import { layoutSequence } from "./sequenceLayout";
import { HEAD, type Layout, MAX_ROWS, moved, ROW, TITLE, WIDTH } from "./shapes";
import type { Branch, Step } from "./steps";

const PADDING = 12;
const GAP = 16;
/** Branches beside each other. More of them continue below. */
const BRANCHES_PER_ROW = 4;

/** The rows that the box of a step lists below its name: its condition, its items and its jumps. */
function rowsOf(step: Step): number {
  const jumps = Math.min(step.jumps.length, MAX_ROWS + 1);
  return jumps + (step.condition === null ? 0 : 1) + (step.forEach === null ? 0 : 1);
}

/** Places the steps of a pipeline. With `hasStatus`, boxes have room for one. */
export function layoutPipeline(steps: readonly Step[], hasStatus: boolean): Layout {
  return layoutSequence("", steps, 0, (step, level) => layoutStep(step, level, hasStatus));
}

function layoutStep(step: Step, level: number, hasStatus: boolean): Layout {
  const rows = rowsOf(step) + (hasStatus ? 1 : 0);
  const head = HEAD + rows * ROW + (rows > 0 ? 4 : 0);
  const inside = step.branches.map((branch) => layoutBranch(branch, level + 1, hasStatus));
  const grid = layoutGrid(inside);
  const width = Math.max(WIDTH, grid.width + 2 * PADDING);
  const height = inside.length === 0 ? head : head + grid.height + PADDING;
  const own = { key: step.key, kind: "step" as const, level, x: 0, y: 0, width, height };
  const placed = moved(grid, (width - grid.width) / 2, head);
  return { width, height, boxes: [own, ...placed.boxes], lines: placed.lines };
}

function layoutBranch(branch: Branch, level: number, hasStatus: boolean): Layout {
  const content = layoutSequence(branch.key, branch.steps, level + 1, (step, at) =>
    layoutStep(step, at, hasStatus),
  );
  const title = branch.title === null ? 0 : TITLE;
  const isBare = branch.title === null && branch.steps.length === 1;
  if (isBare) return content;
  const width = Math.max(WIDTH, content.width) + 2 * PADDING;
  const height = content.height + title + 2 * PADDING;
  const own = { key: branch.key, kind: "branch" as const, level, x: 0, y: 0, width, height };
  const placed = moved(content, (width - content.width) / 2, title + PADDING);
  return { width, height, boxes: [own, ...placed.boxes], lines: placed.lines };
}

function layoutGrid(items: readonly Layout[]): Layout {
  const placed: Layout[] = [];
  let width = 0;
  let top = 0;
  for (let at = 0; at < items.length; at += BRANCHES_PER_ROW) {
    const row = items.slice(at, at + BRANCHES_PER_ROW);
    let left = 0;
    for (const item of row) {
      placed.push(moved(item, left, top));
      left += item.width + GAP;
    }
    width = Math.max(width, left - GAP);
    top += Math.max(...row.map(({ height }) => height)) + GAP;
  }
  return {
    width,
    height: Math.max(0, top - GAP),
    boxes: placed.flatMap(({ boxes }) => boxes),
    lines: placed.flatMap(({ lines }) => lines),
  };
}
