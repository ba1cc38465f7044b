import type { Locks } from "./messages";
import type { StreamEvent } from "./sse";

/** Exclusive locks as browsers have them, for tabs in one process: Node 20 has none. */
export class TestLocks {
  #held: { reject: (error: Error) => void } | null = null;
  readonly #queue: (() => void)[] = [];

  readonly request: Locks["request"] = ((
    _name: string,
    options: LockOptions,
    callback: () => Promise<void>,
  ) =>
    new Promise<void>((resolve, reject) => {
      const abort = () => reject(new DOMException("The request was aborted.", "AbortError"));
      const grant = () => {
        if (options.signal?.aborted) {
          this.#next();
          return;
        }
        const held = { reject: (error: Error) => reject(error) };
        this.#held = held;
        void callback().then(() => {
          resolve();
          if (this.#held === held) this.#next();
        });
      };
      options.signal?.addEventListener("abort", abort);
      if (options.steal && this.#held !== null) {
        this.#held.reject(new DOMException("The lock was stolen.", "AbortError"));
        grant();
      } else if (this.#held === null) grant();
      else this.#queue.push(grant);
    })) as Locks["request"];

  #next(): void {
    this.#held = null;
    this.#queue.shift()?.();
  }
}

export function recorded(id: number): StreamEvent {
  return { id, type: "step.log", data: { step_id: "a", message: `Event ${id}` } };
}

export function text(piece: string, step = "a", call?: number): StreamEvent {
  return {
    id: null,
    type: "step.delta",
    data: { step_id: step, iteration: 1, attempt: 1, call, text: piece },
  };
}

export function final(id: number): StreamEvent {
  return { id, type: "run.status", data: { status: "completed" } };
}

/** A server with the log of one run. Connections get what follows their number, then new events. */
export class TestServer {
  connections = 0;
  /** The number after which each connection asked for events. */
  readonly asked: number[] = [];
  #log: StreamEvent[] = [];
  #open = new Set<{ push: (events: StreamEvent[]) => void; end: () => void }>();

  record(...events: StreamEvent[]): void {
    this.#log.push(...events.filter(({ id }) => id !== null));
    for (const each of this.#open) each.push(events);
  }

  /** Ends all connections, as a server that stops. */
  drop(): void {
    for (const each of this.#open) each.end();
  }

  readonly transport = (after: number, signal: AbortSignal): AsyncIterable<StreamEvent[]> =>
    this.#connect(after, signal);

  async *#connect(after: number, signal: AbortSignal): AsyncGenerator<StreamEvent[]> {
    const waiting: StreamEvent[][] = [[], this.#log.filter(({ id }) => (id ?? 0) > after)];
    let wake = () => {};
    let isOver = false;
    const connection = {
      push: (events: StreamEvent[]) => {
        if (isOver) return;
        waiting.push(events);
        wake();
      },
      end: () => {
        isOver = true;
        wake();
      },
    };
    signal.addEventListener("abort", connection.end);
    this.asked.push(after);
    this.connections += 1;
    this.#open.add(connection);
    try {
      while (!isOver || waiting.length > 0) {
        const events = waiting.shift();
        if (events !== undefined) yield events;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.connections -= 1;
      this.#open.delete(connection);
    }
  }
}
