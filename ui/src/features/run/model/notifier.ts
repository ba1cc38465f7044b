/** Collects changes and announces them once per frame, so that a burst of events causes one rendering. */
export class Notifier {
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #changed = new Set<string>();
  #frame: number | null = null;
  readonly #schedule: (callback: () => void) => number;
  readonly #cancel: (frame: number) => void;

  constructor(schedule = nextFrame, cancel = (frame: number) => clearTimeout(frame)) {
    this.#schedule = schedule;
    this.#cancel = cancel;
  }

  subscribe(topic: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(topic);
    };
  }

  changed(topic: string): void {
    this.#changed.add(topic);
    this.#frame ??= this.#schedule(() => this.flush());
  }

  /** Announce all changes now. */
  flush(): void {
    if (this.#frame !== null) this.#cancel(this.#frame);
    this.#frame = null;
    const topics = [...this.#changed];
    this.#changed.clear();
    for (const topic of topics) {
      for (const listener of [...(this.#listeners.get(topic) ?? [])]) listener();
    }
  }

  stop(): void {
    if (this.#frame !== null) this.#cancel(this.#frame);
    this.#frame = null;
  }
}

/** The next frame. A hidden page has no frames, so a timer covers it. */
function nextFrame(callback: () => void): number {
  if (typeof requestAnimationFrame === "undefined" || document.hidden) {
    return Number(setTimeout(callback, 50));
  }
  let isDone = false;
  const once = () => {
    if (isDone) return;
    isDone = true;
    callback();
  };
  requestAnimationFrame(once);
  // A page that is hidden before the frame gets none.
  return Number(setTimeout(once, 100));
}
