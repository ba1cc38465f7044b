import type { Usage } from "@/api/usage";
import { formatNumber } from "@/ui/format/numbers";
import { Money, Tokens } from "@/ui/format/Values";
import { strings } from "./strings";
import classes from "./Usage.module.css";

/** The sums of the period, and the credits that are left. */
export function Totals({ usage }: { usage: Usage }) {
  const { runs, credits } = usage;
  return (
    <dl className={classes.facts}>
      <div className={classes.fact}>
        <dt>{strings.cost}</dt>
        <dd>
          <Money micros={usage.cost_usd_micros} complete={usage.cost_complete} />
        </dd>
      </div>
      <div className={classes.fact}>
        <dt>{strings.tokens}</dt>
        <dd>
          <Tokens count={usage.tokens.total} />
        </dd>
      </div>
      <div className={classes.fact}>
        <dt>{strings.runs}</dt>
        <dd>
          {formatNumber(runs.total)}
          {runs.failed > 0 && (
            <span className={classes.note}>
              {" "}
              ({formatNumber(runs.failed)} {strings.failed})
            </span>
          )}
        </dd>
      </div>
      <div className={classes.fact}>
        <dt>{strings.credits}</dt>
        <dd>
          {formatNumber(credits.used)}
          {credits.remaining !== null && (
            <span className={classes.note}>
              {" · "}
              {`${formatNumber(credits.remaining)} ${strings.left}`}
            </span>
          )}
        </dd>
      </div>
    </dl>
  );
}
