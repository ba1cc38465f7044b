import type { Step } from "./steps";

/** A way from one step of a sequence to another, by their indexes. The end has the index after the last step. */
export type Link = {
  from: number;
  to: number;
  /** The marks of the jumps that take this way. */
  tags: readonly string[];
  /** Whether the run takes it when nothing jumps. */
  isOrder: boolean;
  /** Whether a step that always jumps, or that does not jump, takes it. */
  isOnlyWay: boolean;
};

/** The ways between the steps of a sequence. Jumps to steps that are not in it are left out. */
export function linksOf(steps: readonly Step[]): { links: Link[]; hasEnd: boolean } {
  const indexes = new Map<string, number>();
  for (const [index, { id }] of steps.entries()) {
    if (id !== null && !indexes.has(id)) indexes.set(id, index);
  }
  const end = steps.length;
  const links = new Map<string, Link>();
  const add = (from: number, to: number, tag: string | null) => {
    const key = `${from} ${to}`;
    const known = links.get(key) ?? { from, to, tags: [], isOrder: false, isOnlyWay: false };
    links.set(key, {
      ...known,
      tags: tag === null ? known.tags : [...known.tags, tag],
      isOrder: known.isOrder || tag === null,
      isOnlyWay: known.isOnlyWay || tag === null || !steps[from]?.hasNext,
    });
  };
  for (const [index, step] of steps.entries()) {
    if (step.hasNext) add(index, index + 1, null);
    for (const { tag, goto } of step.jumps) {
      const to = goto === "next" ? index + 1 : goto === "end" ? end : indexes.get(goto);
      if (to !== undefined) add(index, to, tag);
    }
  }
  // The end is worth a place only if something jumps to it. Otherwise, it follows the last step.
  const hasEnd = steps.some(({ jumps }) => jumps.some(({ goto }) => goto === "end"));
  const found = [...links.values()].filter(({ to }) => hasEnd || to < end);
  return { links: found, hasEnd };
}

/**
 * The row of each step, from 0: below all steps that lead to it from above. The end comes last. A step that nothing leads
 * to is below the one before it.
 */
export function ranksOf(count: number, links: readonly Link[], hasEnd: boolean): number[] {
  const above: number[][] = Array.from({ length: count + 1 }, () => []);
  for (const { from, to } of links) if (to > from) above[to]?.push(from);
  const ranks: number[] = [];
  for (let index = 0; index < count; index++) {
    const before = above[index]?.length ? (above[index] as number[]) : index > 0 ? [index - 1] : [];
    ranks.push(before.reduce((rank, each) => Math.max(rank, (ranks[each] ?? 0) + 1), 0));
  }
  if (hasEnd) ranks.push(ranks.reduce((most, rank) => Math.max(most, rank + 1), 0));
  return ranks;
}
