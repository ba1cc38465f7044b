import type { Run } from "@/api/run";
import { formatDuration } from "@/ui/format/numbers";
import { runStatus, StatusIcon } from "@/ui/StatusBadge";
import { strings as details } from "../details/strings";
import { timeOf } from "../model/rows";
import { percentIn } from "../model/timeScale";
import { useHead } from "../useRun";
import bars from "./Bar.module.css";
import classes from "./StepTree.module.css";
import type { Axis } from "./useAxis";

type Props = { run: Run; axis: Axis; isSelected: boolean; onSelect: () => void };

/** The run above its steps: select it to see its output, input, deliveries, events and graph. */
export function RunRow({ run, axis, isSelected, onSelect }: Props) {
  const head = useHead();
  const from = timeOf(head?.started_at ?? run.started_at);
  const { status, label } = runStatus({
    status: head?.status ?? run.status,
    failedSteps: run.failed_steps,
  });
  return (
    <button type="button" aria-pressed={isSelected} className={classes.run} onClick={onSelect}>
      <span className={classes.step} style={{ paddingLeft: 8 }}>
        <span className={classes.twist} />
        <StatusIcon status={status} label={label} />
        <span className={classes.name}>{details.run}</span>
        <span className={classes.hint}>{details.runHas}</span>
      </span>
      <span className={classes.lane}>{from !== null && <RunBar from={from} axis={axis} />}</span>
      <span className={classes.duration}>
        {formatDuration(from === null ? null : Math.max(0, axis.now - from))}
      </span>
    </button>
  );
}

function RunBar({ from, axis: { scale, view, now } }: { from: number; axis: Axis }) {
  const start = Math.max(0, percentIn(view, scale.at(from)));
  const end = Math.min(100, percentIn(view, scale.at(now)));
  if (end < start) return null;
  return (
    <span
      className={bars.bar}
      data-waits="run"
      style={{ left: `${start}%`, width: `${end - start}%` }}
    />
  );
}
