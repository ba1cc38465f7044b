import type { StreamEvent } from "@/api/live/sse";
import type { Run } from "@/api/runs";
import { changeRun, type FreshRuns, type RunList, refresh, removeRun } from "./runList";

type Options = {
  /** Change the list, if it is loaded. */
  change: (act: (list: RunList) => RunList) => void;
  /** Read the rows of the list again. */
  read: () => Promise<FreshRuns>;
  /** Several reasons to read at about the same time cause one reading. */
  wait?: () => Promise<unknown>;
};

const TOGETHER_MS = 100;

/** Applies the events of the stream to a list. */
export class LiveRuns {
  readonly #options: Required<Options>;
  /** Events that arrive while the rows are read. They may be newer than what is read. */
  #held: StreamEvent[] | null = null;
  #isAsked = false;

  constructor(options: Options) {
    const wait = () => new Promise((resolve) => setTimeout(resolve, TOGETHER_MS));
    this.#options = { wait, ...options };
  }

  apply(events: readonly StreamEvent[]): void {
    if (this.#held === null) this.#options.change((list) => events.reduce(applyEvent, list));
    else this.#held.push(...events);
    if (events.some(({ type }) => type === "list.stale")) void this.reread();
  }

  /** Read the rows again, because changes may have been missed. */
  async reread(): Promise<void> {
    if (this.#isAsked) return;
    this.#isAsked = true;
    await this.#options.wait();
    // The reading that runs may be too old.
    while (this.#held !== null) await this.#options.wait();
    this.#isAsked = false;
    this.#held = [];
    try {
      const fresh = await this.#options.read();
      this.#options.change((list) => refresh(list, fresh));
    } catch {
      // The rows remain as they are. The server asks again, at the latest after a minute.
    } finally {
      const held = this.#held;
      this.#held = null;
      this.#options.change((list) => held.reduce(applyEvent, list));
    }
  }
}

function applyEvent(list: RunList, { type, data }: StreamEvent): RunList {
  if (type === "run.changed") return changeRun(list, data as Run);
  if (type === "run.left") return removeRun(list, (data as { id: string }).id);
  return list;
}
