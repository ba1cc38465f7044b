const SHORTEST_MS = 10;
const LONGEST_MS = 3_600_000;
/** So that the shortest run has a bar too. */
const LEAST = 0.02;

/** The share of its track that a duration fills. The scale is logarithmic and fixed, so new runs do not change bars. */
export function barShare(ms: number): number {
  const share = Math.log(ms / SHORTEST_MS) / Math.log(LONGEST_MS / SHORTEST_MS);
  return Math.min(1, Math.max(LEAST, share));
}
