import type { Run } from "@/api/run";
import { formatExact } from "@/ui/format/times";
import { useLogs } from "../useRun";
import classes from "./Inspector.module.css";
import { Note } from "./parts";
import { strings } from "./strings";

type Props = { run: Run; stepKey: string; empty?: string };

/** The log lines of a step: those recorded before, and new ones as they come. */
export function Logs({ stepKey, empty = strings.logs.none }: Props) {
  const lines = useLogs(stepKey);
  if (lines.length === 0) return <Note>{empty}</Note>;
  return (
    <ol className={classes.logs} aria-label={strings.logs.label}>
      {lines.map(({ seq, level, message, created_at }) => (
        <li key={seq} className={classes.log} data-level={level}>
          <time dateTime={created_at} className="numeric" title={formatExact(new Date(created_at))}>
            {new Date(created_at).toLocaleTimeString()}
          </time>
          <span className={classes.level}>{level}</span>
          <span className={classes.message}>{message}</span>
        </li>
      ))}
    </ol>
  );
}
