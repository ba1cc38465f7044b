import type { Edge, EdgeProps } from "@xyflow/react";
import classes from "./Graph.module.css";
import type { Line, Point } from "./model/shapes";

export type LineEdgeData = Edge<{ line: Line }>;

const RADIUS = 6;
const TAG_HEIGHT = 16;

/** A line from step to step, with the marks of the jumps that take it. */
export function LineEdge({ data }: EdgeProps<LineEdgeData>) {
  const line = data?.line;
  const last = line?.points.at(-1);
  if (line === undefined || last === undefined) return null;
  const [x, y] = last;
  return (
    <g data-jump={!line.isOnlyWay} className={classes.line}>
      <path d={pathOf(line.points)} className={classes.path} />
      <path d={`M${x - 4},${y - 7} L${x},${y} L${x + 4},${y - 7} Z`} className={classes.arrow} />
      {line.tags.map((tag) => {
        const width = tag.text.length * 7 + 10;
        return (
          <g key={tag.text} transform={`translate(${tag.x},${tag.y})`}>
            <rect
              x={-width / 2}
              y={-TAG_HEIGHT / 2}
              width={width}
              height={TAG_HEIGHT}
              rx={8}
              className={classes.tagBack}
            />
            <text className={classes.tagText} textAnchor="middle" dominantBaseline="central">
              {tag.text}
            </text>
          </g>
        );
      })}
    </g>
  );
}

/** The path through points with rounded corners. */
function pathOf(points: readonly Point[]): string {
  const distinct = points.filter(([x, y], index) => {
    const before = points[index - 1];
    return before === undefined || before[0] !== x || before[1] !== y;
  });
  return distinct
    .map(([x, y], index) => {
      const before = distinct[index - 1];
      const after = distinct[index + 1];
      if (before === undefined) return `M${x},${y}`;
      if (after === undefined) return `L${x},${y}`;
      const from = towards([x, y], before);
      const to = towards([x, y], after);
      return `L${from} Q${x},${y} ${to}`;
    })
    .join(" ");
}

function towards([x, y]: Point, [otherX, otherY]: Point): string {
  const distance = Math.hypot(otherX - x, otherY - y);
  const part = distance === 0 ? 0 : Math.min(RADIUS, distance / 2) / distance;
  return `${x + (otherX - x) * part},${y + (otherY - y) * part}`;
}
