import { Tooltip } from "@mantine/core";
import { formatCompact, formatDuration, formatMoney, formatNumber, UNKNOWN } from "./numbers";
import { formatDeadline, formatExact, formatRelative } from "./times";
import { useNow } from "./useNow";

/** A time relative to now. The exact time is shown on hover. */
export function RelativeTime({ time }: { time: string | Date | null | undefined }) {
  const now = useNow();
  if (time === null || time === undefined) return <span className="dimmed">{UNKNOWN}</span>;
  const date = new Date(time);
  return (
    <Tooltip label={formatExact(date)}>
      <time dateTime={date.toISOString()} className="numeric">
        {formatRelative(date, Math.max(now, Date.now()))}
      </time>
    </Tooltip>
  );
}

/** The exact time until which something is possible, with its zone, and how far away it is. */
export function Deadline({ time }: { time: string | Date }) {
  const now = useNow();
  const date = new Date(time);
  return (
    <time dateTime={date.toISOString()} className="mono">
      {formatDeadline(date, Math.max(now, Date.now()))}
    </time>
  );
}

/** Micro-dollars. With `complete={false}`, a part has no known price. */
export function Money({
  micros,
  complete = true,
}: {
  micros: number | null | undefined;
  complete?: boolean;
}) {
  const isKnown = micros !== null && micros !== undefined;
  const note = isKnown
    ? "The price of a model is not known, so its part is missing."
    : "The price of the model is not known.";
  const text = (
    <span className="numeric">{`${complete || !isKnown ? "" : "≥ "}${formatMoney(micros)}`}</span>
  );
  return complete && isKnown ? text : <Tooltip label={note}>{text}</Tooltip>;
}

/** A number of tokens, shortened. The exact number is shown on hover. */
export function Tokens({ count }: { count: number | null | undefined }) {
  if (count === null || count === undefined) return <span className="dimmed">{UNKNOWN}</span>;
  const text = <span className="numeric">{formatCompact(count)}</span>;
  return count < 10_000 ? text : <Tooltip label={`${formatNumber(count)} tokens`}>{text}</Tooltip>;
}

type DurationProps =
  | { ms: number | null | undefined; since?: never }
  /** Start of something that has not ended: the duration ticks. */
  | { ms?: never; since: string | Date };

export function Duration({ ms, since }: DurationProps) {
  return since === undefined ? (
    <span className="numeric">{formatDuration(ms)}</span>
  ) : (
    <Elapsed since={since} />
  );
}

function Elapsed({ since }: { since: string | Date }) {
  const now = useNow(true);
  const seconds = Math.max(0, Math.floor((now - new Date(since).getTime()) / 1000));
  return <span className="numeric">{formatDuration(seconds * 1000)}</span>;
}
