/** Percent of the width that the left side can take. */
export const MIN_SHARE = 25;
export const MAX_SHARE = 75;
const START = 56;
const KEY_STEP = 2;

/** A share within the limits, from a number or a text that was stored. */
export function keptShare(wanted: number | string | null): number {
  const share = wanted === null ? Number.NaN : Math.round(Number(wanted));
  return Number.isNaN(share) ? START : Math.min(MAX_SHARE, Math.max(MIN_SHARE, share));
}

/** The share after a key on the divider, or null if the key does not move it. */
export function shareAfter(key: string, share: number): number | null {
  switch (key) {
    case "ArrowLeft":
      return keptShare(share - KEY_STEP);
    case "ArrowRight":
      return keptShare(share + KEY_STEP);
    case "Home":
      return MIN_SHARE;
    case "End":
      return MAX_SHARE;
    default:
      return null;
  }
}
