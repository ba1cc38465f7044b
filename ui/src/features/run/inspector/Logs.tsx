import { useQuery } from "@tanstack/react-query";
import { type LogLine, logsQuery, type Run, type StepDetail } from "@/api/run";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { formatClock, formatExact } from "@/ui/format/times";
import { visible } from "@/ui/text/visible";
import { rowKey } from "../model/rows";
import { useLogs } from "../useRun";
import classes from "./Inspector.module.css";
import { Note } from "./parts";
import { strings } from "./strings";

type Props = { run: Run; detail: StepDetail; empty?: string };

/** The log lines of a step: those recorded before, and new ones as they come. */
export function Logs({ run, detail, empty = strings.logs.none }: Props) {
  const inRun = detail.executed_in ?? run.id;
  const { data: recorded, error } = useQuery(logsQuery(inRun, detail, detail.status));
  const live = useLogs(rowKey(detail));
  if (error) return <ErrorState error={error} title={strings.notLoaded} />;
  if (recorded === undefined) return <TextSkeleton />;
  const lines = joined(recorded, inRun === run.id ? live : []);
  if (lines.length === 0) return <Note>{empty}</Note>;
  return (
    <ol className={classes.logs} aria-label={strings.logs.label}>
      {lines.map(({ seq, level, message, created_at }) => (
        <li key={seq} className={classes.log} data-level={level}>
          <time dateTime={created_at} className="numeric" title={formatExact(new Date(created_at))}>
            {formatClock(new Date(created_at))}
          </time>
          <span className={classes.level}>{level}</span>
          <span className={classes.message}>{visible(message)}</span>
        </li>
      ))}
    </ol>
  );
}

/** Recorded lines, and the live ones after them. */
function joined(recorded: readonly LogLine[], live: readonly LogLine[]): readonly LogLine[] {
  const last = recorded.at(-1)?.seq ?? 0;
  return [...recorded, ...live.filter(({ seq }) => seq > last)];
}
