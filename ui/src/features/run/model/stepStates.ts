import { hasEnded, type Row } from "./rows";

/** What a run has done with a step of its definition: all its executions, in every branch and round. */
export type Executions = {
  total: number;
  ended: number;
  failed: number;
  status: Row["status"];
  /** Whether several items or branches have executed it, rather than several rounds. */
  isSpread: boolean;
  /** The execution that a click shows: one that failed, else one that has not ended, else the first. Of rounds, the last. */
  shown: Row;
};

/** The executions of each step, by its id. */
export function executionsOf(rows: Iterable<Row>): Map<string, Executions> {
  const grouped = new Map<string, Row[]>();
  for (const row of rows) {
    const group = grouped.get(row.step_id);
    if (group === undefined) grouped.set(row.step_id, [row]);
    else group.push(row);
  }
  return new Map([...grouped].map(([id, group]) => [id, summed(group)]));
}

function summed(group: readonly Row[]): Executions {
  const first = group[0] as Row;
  const shown = group.reduce((best, row) => (isBetter(row, best) ? row : best), first);
  const isSpread = group.some(({ branch }) => branch !== first.branch);
  return {
    total: group.length,
    ended: group.filter(hasEnded).length,
    failed: group.filter(({ status }) => status === "failed").length,
    // Of several items, the one that is shown is also the one that matters most.
    status: shown.status,
    isSpread,
    shown,
  };
}

function isBetter(row: Row, other: Row): boolean {
  if (row.branch === other.branch) return row.iteration > other.iteration;
  const difference = weight(row) - weight(other);
  return difference === 0 ? row.ordinal < other.ordinal : difference > 0;
}

function weight(row: Row): number {
  if (row.status === "failed") return 3;
  if (hasEnded(row)) return 0;
  return row.status === "running" ? 2 : 1;
}
