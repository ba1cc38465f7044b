import type { Operation, StepDetail } from "@/api/run";
import { formatDuration, formatMoney, formatNumber } from "@/ui/format/numbers";
import { timeOf } from "../model/rows";
import { Facts, Note } from "./parts";
import { strings } from "./strings";

type Timed = Pick<Operation, "queued_at" | "started_at" | "first_piece_at" | "completed_at">;

/** Milliseconds between two instants, or null if one is not known. */
function between(from: string | null, to: string | null): number | null {
  const [start, end] = [timeOf(from), timeOf(to)];
  return start === null || end === null ? null : Math.max(0, end - start);
}

function sum(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
}

/** How fast the text of a model arrived, after its first piece. Null if that is not known. */
function tokensPerSecond(
  tokens: number,
  { first_piece_at, completed_at }: Pick<Timed, "first_piece_at" | "completed_at">,
): number | null {
  const ms = between(first_piece_at, completed_at);
  return ms === null || ms === 0 || tokens === 0 ? null : (tokens / ms) * 1000;
}

function optional(value: number | null, format: (value: number) => string): string | null {
  return value === null ? null : format(value);
}

/** Tokens, cost and times of the calls of an attempt. */
export function Usage({ detail, operations }: { detail: StepDetail; operations: Operation[] }) {
  const last = operations.at(-1);
  if (last === undefined) return <Note>{strings.noCall}</Note>;
  const texts = strings.usage;
  const total = (of: (operation: Operation) => number | null) => sum(operations.map(of));
  const isModel = last.model !== null;
  const parts = last.cost_usd_micros_by_part;
  const note = operations.some(({ tokens_estimated }) => tokens_estimated)
    ? ` (${texts.estimated})`
    : "";
  const tokens = (of: (operation: Operation) => number) =>
    isModel ? `${formatNumber(total(of) ?? 0)}${note}` : null;
  const speed = tokensPerSecond(last.output_tokens, last);
  return (
    <Facts
      facts={[
        [texts.model, last.model],
        [texts.paidBy, last.paid_by === null ? null : texts.paid[last.paid_by]],
        [texts.calls, operations.length > 1 ? formatNumber(operations.length) : null],
        [texts.input, tokens((each) => each.input_tokens)],
        [texts.cached, tokens((each) => each.cached_tokens)],
        [texts.output, tokens((each) => each.output_tokens)],
        [texts.cost, isModel ? formatMoney(total((each) => each.cost_usd_micros)) : null],
        [texts.costInput, parts && operations.length === 1 ? formatMoney(parts.input) : null],
        [texts.costCached, parts && operations.length === 1 ? formatMoney(parts.cached) : null],
        [texts.costOutput, parts && operations.length === 1 ? formatMoney(parts.output) : null],
        [
          texts.queued,
          optional(
            total((each) => between(each.queued_at, each.started_at)),
            formatDuration,
          ),
        ],
        [
          texts.firstToken,
          optional(isModel ? between(last.started_at, last.first_piece_at) : null, formatDuration),
        ],
        [
          texts.speed,
          optional(isModel ? speed : null, (value) =>
            texts.perSecond(formatNumber(Math.round(value))),
          ),
        ],
        [
          texts.duration,
          optional(total((each) => each.duration_ms) ?? detail.duration_ms, formatDuration),
        ],
      ]}
    />
  );
}
