import { type ApiError, asApiError } from "../errors";
import { isFinal, type StreamEvent } from "./sse";
import type { Transport } from "./transport";

/** `ended`: the last event has arrived. `failed`: to try again is useless. */
export type StreamState = "connecting" | "live" | "reconnecting" | "ended" | "failed";

type Handlers = {
  /**
   * New events, in order, each once. `previousId` is the number of the recorded event before them. An empty list is a
   * sign of life.
   */
  onEvents: (events: StreamEvent[], previousId: number) => void;
  onState: (state: StreamState, error?: ApiError) => void;
  /** Pause before the next attempt, after a number of failures in a row. */
  pause: (failures: number, error: ApiError | null, signal: AbortSignal) => Promise<void>;
};

/** Follows a stream over any number of connections, without gaps and duplicates, until its end or a final failure. */
export async function follow(
  transport: Transport,
  after: number,
  signal: AbortSignal,
  { onEvents, onState, pause }: Handlers,
): Promise<void> {
  let lastId = after;
  let failures = 0;
  let state: StreamState | null = null;
  const change = (next: StreamState, error?: ApiError) => {
    if (next !== state) onState(next, error);
    state = next;
  };
  change("connecting");
  while (!signal.aborted) {
    let error: ApiError | null = null;
    let isFirst = true;
    try {
      for await (const received of transport(lastId, signal)) {
        if (signal.aborted) return;
        change("live");
        // A server that only accepts the connection has not recovered.
        if (!isFirst) failures = 0;
        isFirst = false;
        const previousId = lastId;
        const events = received.filter(({ id }) => {
          if (id === null) return true;
          if (id <= lastId) return false;
          lastId = id;
          return true;
        });
        onEvents(events, previousId);
        if (events.some(isFinal)) {
          change("ended");
          return;
        }
      }
    } catch (thrown) {
      if (signal.aborted) return;
      error = asApiError(thrown);
      if (!error.isTransient) {
        change("failed", error);
        return;
      }
    }
    failures += 1;
    change("reconnecting");
    await pause(failures, error, signal);
  }
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 15_000;

/** Longer with each failure, at least as long as the server asks. Ends early when the browser is online again. */
export function pauseBeforeReconnect(
  failures: number,
  error: ApiError | null,
  signal: AbortSignal,
): Promise<void> {
  const backoff = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
  // Tabs that have lost the same server must not return at the same moment.
  const spread = backoff * (0.75 + Math.random() / 2);
  const asked = (error?.retryAfterSeconds ?? 0) * 1000;
  return new Promise((resolve) => {
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(), Math.max(spread, asked));
    const finish = () => over.abort();
    over.signal.addEventListener("abort", () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", finish);
      signal.removeEventListener("abort", finish);
      resolve();
    });
    globalThis.addEventListener?.("online", finish);
    signal.addEventListener("abort", finish);
  });
}
