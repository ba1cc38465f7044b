import type { HourlyRuns } from "@/api/schedules";

const HOUR_MS = 3_600_000;

type Counted = { schedule: HourlyRuns; runs: number };

/** What is due in one hour: all runs, and the schedules that start them, most runs first. */
export type Cell = { runs: number; schedules: readonly Counted[] };

const NOTHING: Cell = { runs: 0, schedules: [] };

/** What is due in each hour of a period that begins at `start`. */
export function cellsOf(schedules: readonly HourlyRuns[], start: number): (at: number) => Cell {
  const cells = new Map<number, { runs: number; schedules: Counted[] }>();
  for (const schedule of schedules) {
    for (const [index, runs] of schedule.runs.entries()) {
      if (runs === 0) continue;
      const cell = cells.get(index) ?? { runs: 0, schedules: [] };
      cell.runs += runs;
      cell.schedules.push({ schedule, runs });
      cells.set(index, cell);
    }
  }
  for (const cell of cells.values()) cell.schedules.sort((one, other) => other.runs - one.runs);
  return (at) => cells.get(Math.floor((at - start) / HOUR_MS)) ?? NOTHING;
}

/** How dark a cell is, from 0 to 4. Each level is about four times as many runs as the one before. */
export function levelOf(runs: number): number {
  if (runs === 0) return 0;
  return [1, 5, 20].filter((limit) => runs > limit).length + 1;
}
