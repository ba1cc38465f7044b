import type { Run } from "@/api/runs";
import { UNKNOWN } from "@/ui/format/numbers";
import { useNow } from "@/ui/format/useNow";
import { Duration } from "@/ui/format/Values";
import { barShare } from "./barShare";
import classes from "./Runs.module.css";

/** The duration of a run with a bar. That of a run which has not ended ticks. */
export function RunDuration({ run }: { run: Run }) {
  if (run.started_at === null) return <span className="dimmed">{UNKNOWN}</span>;
  const started = Date.parse(run.started_at);
  if (run.completed_at === null) return <Growing since={run.started_at} status={run.status} />;
  const ms = Math.max(0, Date.parse(run.completed_at) - started);
  return (
    <span className={classes.duration}>
      <Bar ms={ms} status={run.status} />
      <Duration ms={ms} />
    </span>
  );
}

function Growing({ since, status }: { since: string; status: Run["status"] }) {
  const now = useNow(true);
  return (
    <span className={classes.duration}>
      <Bar ms={Math.max(0, now - Date.parse(since))} status={status} />
      <Duration since={since} />
    </span>
  );
}

function Bar({ ms, status }: { ms: number; status: Run["status"] }) {
  return (
    <span className={classes.track} aria-hidden>
      <span
        className={classes.bar}
        data-status={status}
        style={{ width: `${barShare(ms) * 100}%` }}
      />
    </span>
  );
}
