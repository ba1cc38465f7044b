import { useEffect, useEffectEvent, useState } from "react";
import { noteFailure } from "../client";
import type { ApiError } from "../errors";
import { currentWorkspace } from "../workspace";
import type { StreamState } from "./connection";
import { reportState } from "./liveState";
import type { Channel, Locks } from "./messages";
import { randomId } from "./randomId";
import { SharedStream } from "./sharedStream";
import type { StreamEvent } from "./sse";
import { eventSource } from "./transport";

/** Events that arrive while the page is hidden wait this long, because it draws no frames. */
const HIDDEN_MS = 250;

/** Browsers have no locks on pages from http, except from this machine. Then each tab has a connection. */
const OWN_CONNECTION: Locks = { request: (_name, _options, lead) => lead() };

export type EventStream = { state: StreamState; error: ApiError | null };

/**
 * Follow the events of a run, or the changes of a list, over one connection that all tabs share.
 *
 * Changes of a list have no numbers. The page reads the list after each `list.stale`, which also follows each reconnection.
 *
 * @param url of the stream: `/api/runs/ID/stream`. Null: nothing is followed, such as for a run that has ended.
 * @param onEvents gets new events in order, each once, at most once per frame. Events without an id are streamed text.
 * @param after number of the last event that the page knows. Only its first value counts.
 */
export function useEventStream(
  url: string | null,
  onEvents: (events: StreamEvent[]) => void,
  after = 0,
): EventStream {
  const [stream, setStream] = useState<EventStream>({ state: "connecting", error: null });
  const deliver = useEffectEvent(onEvents);
  const start = useEffectEvent(() => after);
  useEffect(() => {
    if (url === null) return;
    const report = reportState();
    const frames = new Frames((events) => deliver(events));
    // Tabs that show another workspace follow the same URL with other events.
    const common = `stepiq ${currentWorkspace()} ${url}`;
    const name = navigator.locks ? common : `${common} ${randomId()}`;
    setStream({ state: "connecting", error: null });
    const shared = new SharedStream({
      name,
      after: start(),
      transport: eventSource(url),
      locks: navigator.locks ?? OWN_CONNECTION,
      channel: new BroadcastChannel(name) as Channel,
      onEvents: frames.add,
      onState: (state, error) => {
        report(state);
        if (error !== null) noteFailure(error);
        setStream({ state, error });
      },
    });
    return () => {
      shared.close();
      frames.stop();
      report(null);
    };
  }, [url]);
  return stream;
}

/** Collects events until the next frame, so that a page is drawn once for all of them. */
class Frames {
  #events: StreamEvent[] = [];
  #frame: number | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #deliver: (events: StreamEvent[]) => void;

  constructor(deliver: (events: StreamEvent[]) => void) {
    this.#deliver = deliver;
  }

  readonly add = (events: StreamEvent[]): void => {
    this.#events.push(...events);
    if (this.#frame !== null) return;
    this.#frame = requestAnimationFrame(this.#flush);
    this.#timer = setTimeout(this.#flush, HIDDEN_MS);
  };

  stop(): void {
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#frame = null;
  }

  readonly #flush = (): void => {
    this.stop();
    const events = this.#events;
    this.#events = [];
    if (events.length > 0) this.#deliver(events);
  };
}
