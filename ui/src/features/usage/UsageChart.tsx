import { Anchor } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { formatDay } from "@/ui/format/times";
import { boundsOf } from "./search";
import { type Layer, type Stack, scaleEnd } from "./stacks";
import { strings } from "./strings";
import classes from "./Usage.module.css";

const HEIGHT = 160;

type Props = {
  stacks: readonly Stack[];
  layers: readonly Layer[];
  format: (value: number) => string;
};

/** A bar for each day, which is a link to the runs of the day. A single day with a value is a sentence. */
export function UsageChart({ stacks, layers, format }: Props) {
  const [only, ...others] = stacks.filter(({ total }) => total > 0);
  if (only === undefined) return null;
  if (others.length === 0) {
    return (
      <p className={classes.explanation}>
        <Anchor renderRoot={(props) => <Link to="/runs" search={boundsOf(only.day)} {...props} />}>
          {strings.onlyDay(format(only.total), formatDay(only.day))}
        </Anchor>
      </p>
    );
  }
  const end = scaleEnd(Math.max(...stacks.map(({ total }) => total)));
  return (
    <figure className={classes.chart} aria-label={strings.chart}>
      <div className={classes.axis} aria-hidden>
        <span className="numeric">{format(end)}</span>
        <span className="numeric">{format(0)}</span>
      </div>
      <div className={classes.bars}>
        {stacks.map((stack) => (
          <Bar key={stack.day} stack={stack} layers={layers} end={end} format={format} />
        ))}
      </div>
      <div className={classes.days} aria-hidden>
        <span className="numeric">{stacks[0]?.day}</span>
        <span className="numeric">{stacks.at(-1)?.day}</span>
      </div>
      <ul className={classes.legend}>
        {layers.map(({ key, name }, index) => (
          <li key={key} className={classes.entry} data-layer={index}>
            <span className={classes.swatch} aria-hidden />
            <span className="truncate" dir="auto">
              {name}
            </span>
          </li>
        ))}
      </ul>
    </figure>
  );
}

type BarProps = Omit<Props, "stacks"> & { stack: Stack; end: number };

function Bar({ stack, layers, end, format }: BarProps) {
  const parts = layers
    .map(({ name }, index) => ({ name, value: stack.values[index] ?? 0, index }))
    .filter(({ value }) => value > 0);
  const words = parts.map(({ name, value }) => `${name} ${format(value)}`);
  const label = `${stack.day}: ${[format(stack.total), ...words].join(", ")}`;
  if (stack.total === 0) return <span className={classes.bar} title={label} />;
  let bottom = HEIGHT;
  return (
    <Link
      to="/runs"
      search={boundsOf(stack.day)}
      className={classes.bar}
      title={label}
      aria-label={label}
    >
      <svg viewBox={`0 0 10 ${HEIGHT}`} preserveAspectRatio="none" aria-hidden>
        {parts.map(({ name, value, index }) => {
          const height = (value / end) * HEIGHT;
          bottom -= height;
          return <rect key={name} data-layer={index} x={0} y={bottom} width={10} height={height} />;
        })}
      </svg>
    </Link>
  );
}
