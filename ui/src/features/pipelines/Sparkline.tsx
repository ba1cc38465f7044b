import classes from "./Sparkline.module.css";

const HEIGHT = 16;
const BAR = 4;
const GAP = 2;

/** Numbers of the last days as bars. `label` says the same in words. */
export function Sparkline({ values, label }: { values: readonly number[]; label: string }) {
  const most = Math.max(...values, 1);
  const width = values.length * (BAR + GAP) - GAP;
  return (
    <svg
      role="img"
      aria-label={label}
      width={width}
      height={HEIGHT}
      viewBox={`0 0 ${width} ${HEIGHT}`}
      className={classes.sparkline}
    >
      <title>{label}</title>
      {values.map((value, index) => {
        const height = value === 0 ? 1 : Math.max(2, (value / most) * HEIGHT);
        const x = index * (BAR + GAP);
        return (
          <rect
            key={index}
            x={x}
            y={HEIGHT - height}
            width={BAR}
            height={height}
            className={value === 0 ? classes.none : classes.bar}
          />
        );
      })}
    </svg>
  );
}
