import { useSyncExternalStore } from "react";

/** One timer for all components that show the time since something. */
class Ticker {
  #now = Date.now();
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(readonly periodMs: number) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#timer === undefined) {
      this.#now = Date.now();
      this.#timer = setInterval(() => {
        this.#now = Date.now();
        for (const each of this.#listeners) each();
      }, this.periodMs);
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
    };
  };

  readonly now = (): number => this.#now;
}

const slow = new Ticker(10_000);
const fast = new Ticker(1000);

/** The time in milliseconds, renewed every ten seconds, or each second with `everySecond`. */
export function useNow(everySecond = false): number {
  const ticker = everySecond ? fast : slow;
  return useSyncExternalStore(ticker.subscribe, ticker.now);
}
