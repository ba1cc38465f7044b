import { type Link, linksOf, ranksOf } from "./links";
import { routeLines } from "./routing";
import { type Box, type Item, type Layout, moved } from "./shapes";
import type { Step } from "./steps";

const BESIDE = 24;
const END = { width: 64, height: 28 };

/** Places the steps of a sequence from top to bottom. Steps that exclude each other are beside each other. */
export function layoutSequence(
  key: string,
  steps: readonly Step[],
  level: number,
  layoutStep: (step: Step, level: number) => Layout,
): Layout {
  const { links, hasEnd } = linksOf(steps);
  const ranks = ranksOf(steps.length, links, hasEnd);
  const items: Item[] = steps.map((step, index) => ({
    key: step.key,
    rank: ranks[index] ?? 0,
    layout: layoutStep(step, level),
    x: 0,
    y: 0,
  }));
  if (hasEnd) {
    const end: Box = { key: `${key}.end`, kind: "end", level, x: 0, y: 0, ...END };
    const layout = { ...END, boxes: [end], lines: [] };
    items.push({ key: end.key, rank: ranks[steps.length] ?? 0, layout, x: 0, y: 0 });
  }
  const rows: Item[][] = [];
  for (const item of items) {
    rows[item.rank] ??= [];
    rows[item.rank]?.push(item);
  }
  placeBeside(items, rows, links);
  return framed(items, routeLines(items, rows, links));
}

/** Give each item its horizontal place: below those that lead to it, as far as there is room. */
function placeBeside(items: readonly Item[], rows: readonly Item[][], links: readonly Link[]) {
  const wanted = new Map<Item, number>();
  for (const row of rows) {
    for (const item of row) {
      const before = links.flatMap(({ from, to }) => {
        const source = items[from];
        return items[to] === item && source?.rank === item.rank - 1 ? [source] : [];
      });
      const sum = before.reduce((total, each) => total + each.x + each.layout.width / 2, 0);
      wanted.set(item, before.length === 0 ? 0 : sum / before.length);
    }
    const centre = (item: Item) => wanted.get(item) ?? 0;
    row.sort((one, other) => centre(one) - centre(other));
    let free = Number.NEGATIVE_INFINITY;
    let error = 0;
    for (const item of row) {
      item.x = Math.max(centre(item) - item.layout.width / 2, free);
      free = item.x + item.layout.width + BESIDE;
      error += item.x + item.layout.width / 2 - centre(item);
    }
    for (const item of row) item.x -= error / row.length;
  }
}

/** Everything moved so that it begins at (0, 0). */
function framed(items: readonly Item[], lines: Layout["lines"]): Layout {
  const xs = lines.flatMap(({ points }) => points.map(([x]) => x));
  const left = Math.min(...items.map(({ x }) => x), ...xs.map((x) => x - 4));
  const right = Math.max(
    ...items.map(({ x, layout }) => x + layout.width),
    ...xs.map((x) => x + 4),
  );
  const ys = lines.flatMap(({ points }) => points.map(([, y]) => y));
  const bottom = Math.max(...items.map(({ y, layout }) => y + layout.height), ...ys);
  const all: Layout = {
    width: right - left,
    height: bottom,
    boxes: items.flatMap((item) => moved(item.layout, item.x, item.y).boxes),
    lines: [...items.flatMap((item) => moved(item.layout, item.x, item.y).lines), ...lines],
  };
  return moved(all, -left, 0);
}
