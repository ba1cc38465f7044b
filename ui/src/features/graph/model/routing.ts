import type { Link } from "./links";
import type { Item, Line, Point, Tag } from "./shapes";

/** Between two rows: room below the boxes, for marks of jumps, for each track of horizontal lines, and for arrows. */
const BELOW = 8;
const TAGS = 20;
const TRACK = 10;
const ARROW = 20;
const LANE = 14;
const LEAST_LANE = 18;
const MAX_OWN_LANES = 3;
/** Lines with more marks would cover each other. The box of the step lists them all. */
const MAX_TAGGED = 5;

type Side = "direct" | "right" | "left";
type Route = Link & {
  source: Item;
  target: Item;
  /** `direct`: to the next row. Others pass rows on the right, or lead back up on the left. */
  side: Side;
  startX: number;
  endX: number;
  laneX: number;
  /** The marks that the line carries. */
  shown: readonly string[];
};

/**
 * The lines between the items of a sequence. Horizontal parts run between rows, vertical ones beside the rows that they
 * pass, so that no line crosses a box. This also gives the items their vertical places.
 */
export function routeLines(
  items: readonly Item[],
  rows: readonly Item[][],
  links: readonly Link[],
): Line[] {
  const routes = links.flatMap((link) => routeOf(link, items) ?? []);
  for (const item of items) attach(item, routes);
  placeLanes(routes, rows);
  const gaps = tracksOf(routes, rows);
  let top = 0;
  for (const [rank, row] of rows.entries()) {
    const gap = gaps[rank] as Gap;
    gap.top = top;
    top += gap.height;
    for (const item of row) item.y = top;
    top += Math.max(...row.map(({ layout }) => layout.height));
  }
  const last = gaps[rows.length] as Gap;
  last.top = top;
  return routes.map((route) => lineOf(route, gaps));
}

function routeOf(link: Link, items: readonly Item[]): Route | null {
  const source = items[link.from];
  const target = items[link.to];
  if (source === undefined || target === undefined) return null;
  const rows = target.rank - source.rank;
  const side = rows === 1 ? "direct" : rows > 1 ? "right" : "left";
  return { ...link, source, target, side, startX: 0, endX: 0, laneX: 0, shown: [] };
}

const ORDER: Record<Side, number> = { left: 0, direct: 1, right: 2 };

/** Where lines leave and reach an item: the way without a jump in the middle, others beside it. */
function attach(item: Item, routes: readonly Route[]): void {
  const centre = item.x + item.layout.width / 2;
  const centreOf = ({ target }: Route) => target.x + target.layout.width / 2;
  const leaving = routes
    .filter(({ source }) => source === item)
    .sort((a, b) => ORDER[a.side] - ORDER[b.side] || centreOf(a) - centreOf(b));
  const main = leaving.findIndex(({ isOrder, side }) => isOrder && side === "direct");
  const middle = main === -1 ? middleOf(leaving) : main;
  const most = Math.max(middle, leaving.length - 1 - middle, 1);
  const step = Math.min(48, (item.layout.width / 2 - 16) / most);
  const isCrowded = leaving.filter(({ tags }) => tags.length > 0).length > MAX_TAGGED;
  for (const [index, route] of leaving.entries()) {
    route.startX = centre + (index - middle) * step;
    route.shown = isCrowded ? [] : route.tags;
  }
  const reaching = routes.filter(({ target }) => target === item);
  const sides = new Set(reaching.map(({ side }) => side));
  for (const route of reaching) {
    const shift = sides.size === 1 ? 0 : { direct: 0, right: 20, left: -20 }[route.side];
    route.endX = centre + shift;
  }
}

/** The index that has the middle. A line to the side leaves beside it, so that it does not look like one downwards. */
function middleOf(leaving: readonly Route[]): number {
  const sides = new Set(leaving.map(({ side }) => side));
  if (sides.size === 1 && sides.has("right")) return -0.5;
  if (sides.size === 1 && sides.has("left")) return leaving.length - 0.5;
  return (leaving.length - 1) / 2;
}

/** Lines have lanes beside the rows that they pass. Many lines to one item share a lane. */
function placeLanes(routes: readonly Route[], rows: readonly Item[][]): void {
  for (const side of ["right", "left"] as const) {
    const sign = side === "right" ? 1 : -1;
    const lanes = new Map<Item | Route, { from: number; to: number; routes: Route[] }>();
    const own = routes.filter((each) => each.side === side);
    const counts = new Map<Item, number>();
    for (const { target } of own) counts.set(target, (counts.get(target) ?? 0) + 1);
    for (const route of own) {
      const key = (counts.get(route.target) ?? 0) > MAX_OWN_LANES ? route.target : route;
      const lane = lanes.get(key) ?? { from: Infinity, to: -1, routes: [] };
      const [from, to] =
        side === "right"
          ? [route.source.rank + 1, route.target.rank - 1]
          : [route.target.rank, route.source.rank];
      lane.from = Math.min(lane.from, from);
      lane.to = Math.max(lane.to, to);
      lane.routes.push(route);
      lanes.set(key, lane);
    }
    const placed: { from: number; to: number; at: number }[] = [];
    const sorted = [...lanes.values()].sort((a, b) => a.to - a.from - (b.to - b.from));
    for (const lane of sorted) {
      const passed = rows.slice(lane.from, lane.to + 1).flat();
      let at = Math.max(...passed.map(({ x, layout }) => (sign === 1 ? x + layout.width : -x)));
      at += LEAST_LANE;
      for (const other of placed) {
        if (other.from <= lane.to && lane.from <= other.to) at = Math.max(at, other.at + LANE);
      }
      placed.push({ from: lane.from, to: lane.to, at });
      for (const route of lane.routes) route.laneX = sign * at;
    }
  }
}

type Gap = { top: number; height: number; tags: number; tracks: Map<string, number> };

/** The room between rows, and the track of each horizontal line in it. Lines to the same item share a track. */
function tracksOf(routes: readonly Route[], rows: readonly Item[][]): Gap[] {
  const spans: Map<string, [number, number]>[] = [...rows, null].map(() => new Map());
  const hasTags = new Set<number>();
  const addSpan = (gap: number, key: string, one: number, other: number) => {
    if (one === other) return;
    const [from, to] = spans[gap]?.get(key) ?? [Infinity, -Infinity];
    spans[gap]?.set(key, [Math.min(from, one, other), Math.max(to, one, other)]);
  };
  for (const route of routes) {
    const below = route.source.rank + 1;
    if (route.shown.length > 0) hasTags.add(below);
    if (route.side === "direct") addSpan(below, trackKey(route), route.startX, route.endX);
    else {
      addSpan(below, `lane ${trackKey(route)}`, route.startX, route.laneX);
      addSpan(route.target.rank, trackKey(route), route.laneX, route.endX);
    }
  }
  return spans.map((found, index) => {
    const tracks = assignTracks(found);
    const count = Math.max(0, ...[...tracks.values()].map((track) => track + 1));
    const isOuter = index === 0 || index === rows.length;
    const tags = hasTags.has(index) ? TAGS : 0;
    const height = isOuter && count === 0 ? 0 : BELOW + tags + count * TRACK + ARROW;
    return { top: 0, height, tags, tracks };
  });
}

function assignTracks(spans: ReadonlyMap<string, [number, number]>): Map<string, number> {
  const ends: number[] = [];
  const tracks = new Map<string, number>();
  for (const [key, [from, to]] of [...spans].sort(([, a], [, b]) => a[0] - b[0])) {
    let track = ends.findIndex((end) => end + TRACK < from);
    if (track === -1) track = ends.length;
    ends[track] = to;
    tracks.set(key, track);
  }
  return tracks;
}

function trackKey({ target, side }: Route): string {
  return `${side} ${target.key}`;
}

function lineOf(route: Route, gaps: readonly Gap[]): Line {
  const { source, target, side, startX, endX, laneX } = route;
  const start = source.y + source.layout.height;
  const below = gaps[source.rank + 1] as Gap;
  const above = gaps[target.rank] as Gap;
  const yOf = (gap: Gap, key: string) =>
    gap.top + BELOW + gap.tags + (gap.tracks.get(key) ?? 0) * TRACK + TRACK / 2;
  const turn = yOf(below, side === "direct" ? trackKey(route) : `lane ${trackKey(route)}`);
  const middle: Point[] =
    side === "direct"
      ? [
          [startX, turn],
          [endX, turn],
        ]
      : [
          [startX, turn],
          [laneX, turn],
          [laneX, yOf(above, trackKey(route))],
          [endX, yOf(above, trackKey(route))],
        ];
  const tag: Tag = { text: route.shown.join(" "), x: startX, y: below.top + BELOW + TAGS / 2 - 2 };
  return {
    id: `${source.key}>${target.key}`,
    source: source.key,
    target: target.key,
    isOnlyWay: route.isOnlyWay,
    points: [[startX, start], ...middle, [endX, target.y]],
    tags: route.shown.length > 0 ? [tag] : [],
  };
}
