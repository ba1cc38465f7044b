import type { StreamEvent } from "./sse";

const MAX_EVENTS = 5000;

/** What the leader keeps for tabs that join or have missed events. */
export class Backlog {
  readonly #events: StreamEvent[] = [];
  /** The streamed text of each step that has not ended, as one event. */
  readonly #texts = new Map<string, StreamEvent>();
  /** The event of a stream without numbers after which a page reads its list again. */
  #stale: StreamEvent | null = null;
  /** The number of the event before the oldest one that is kept. */
  #floor: number;

  constructor(floor: number) {
    this.#floor = floor;
  }

  add(events: readonly StreamEvent[]): void {
    for (const event of events) {
      if (event.id !== null) this.#addRecorded(event);
      else if (event.type === "step.delta") this.#addText(event);
      else if (event.type === "list.stale") this.#stale = event;
    }
  }

  /** The recorded events after a number, or null if some of them are discarded. */
  after(id: number): StreamEvent[] | null {
    if (id < this.#floor) return null;
    return this.#events.slice(this.#events.findLastIndex((event) => (event.id ?? 0) <= id) + 1);
  }

  /** What a new tab gets besides: the text that steps have streamed so far, or the request to read a list. */
  unnumbered(): StreamEvent[] {
    return [...(this.#stale === null ? [] : [this.#stale]), ...this.#texts.values()];
  }

  #addRecorded(event: StreamEvent): void {
    this.#events.push(event);
    // The step has ended, or its text starts from the beginning.
    if (event.type === "step.status") this.#texts.delete(stepOf(event));
    // Half of the limit at a time, because moving the rest takes time.
    if (this.#events.length < MAX_EVENTS * 1.5) return;
    const dropped = this.#events.splice(0, this.#events.length - MAX_EVENTS);
    this.#floor = dropped.at(-1)?.id ?? this.#floor;
  }

  #addText(event: StreamEvent): void {
    const key = stepOf(event);
    const earlier = this.#texts.get(key);
    const isSameCall =
      earlier !== undefined &&
      read(earlier, "attempt") === read(event, "attempt") &&
      read(earlier, "call") === read(event, "call");
    const text = `${isSameCall ? read(earlier, "text") : ""}${read(event, "text")}`;
    this.#texts.set(key, { ...event, data: { ...(event.data as object), text } });
  }
}

function stepOf(event: StreamEvent): string {
  return JSON.stringify([read(event, "step_id"), read(event, "branch"), read(event, "iteration")]);
}

function read({ data }: StreamEvent, name: string): unknown {
  return typeof data === "object" && data !== null
    ? (data as Record<string, unknown>)[name]
    : undefined;
}
