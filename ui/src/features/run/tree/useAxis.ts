import { useMemo, useState } from "react";
import type { Run } from "@/api/run";
import { useNow } from "@/ui/format/useNow";
import { timeOf } from "../model/rows";
import type { RunStore } from "../model/runStore";
import { type Interval, idleGaps, TimeScale, type View, WHOLE, workOf } from "../model/timeScale";
import { useHead, useLoading } from "../useRun";

/** The time axis of the waterfall: its scale, the part that is shown, and the end of bars that still grow. */
export type Axis = { scale: TimeScale; view: View; now: number };

/** `isCompact` draws idle times short. `idle` has them in either case. */
export function useAxis(store: RunStore, run: Run, isCompact: boolean) {
  const [view, setView] = useState<View>(WHOLE);
  const head = useHead();
  const { hasSteps, isComplete } = useLoading();
  const ended = timeOf(head?.completed_at);
  const tick = useNow(ended === null);
  const now = ended ?? tick;
  const { extent, idle } = useMemo(() => {
    const rows = isComplete || hasSteps ? store.rows : [];
    const extent: Interval = {
      from: timeOf(run.started_at ?? run.created_at) ?? now,
      to: now,
    };
    for (const row of rows) {
      const [from, to] = [timeOf(row.started_at), timeOf(row.completed_at)];
      // Reused steps keep the times of the run that executed them.
      if (row.is_reused) continue;
      if (from !== null) Object.assign(extent, { from: Math.min(extent.from, from) });
      if (to !== null) Object.assign(extent, { to: Math.max(extent.to, to) });
    }
    const executed = rows.filter((row) => !row.is_reused);
    return { extent, idle: idleGaps(extent, workOf(executed, now)) };
    // Not for each new row: while a run is live, the axis grows once a second.
  }, [store, hasSteps, isComplete, run.started_at, run.created_at, now]);
  const scale = useMemo(
    () => new TimeScale(extent, isCompact ? idle : []),
    [extent, idle, isCompact],
  );
  const axis = useMemo<Axis>(() => ({ scale, view, now }), [scale, view, now]);
  return { axis, idle, view, setView };
}
