import type { StreamState } from "./connection";
import type { StreamEvent } from "./sse";

/** What the tabs that follow the same URL send to each other. One of them has the connection: the leader. */
export type Message =
  /** A tab asks the leader for what follows `after`. `isNew`: it has seen no event without a number. */
  | { kind: "ask"; from: string; after: number; isNew: boolean }
  /** New events, from the leader for all tabs. */
  | { kind: "events"; events: StreamEvent[]; previousId: number }
  /** The answer to `ask`. Null: the leader no longer has all of them; its last event is `lastId`. */
  | { kind: "answer"; to: string; events: StreamEvent[] | null; lastId: number; state: StreamState }
  /** The state of the leader's connection, and its sign of life. */
  | { kind: "state"; state: StreamState; problem: Problem | null };

export type Problem = { status: number; code: string; detail: string };

export interface Channel {
  postMessage(message: Message): void;
  onmessage: ((event: MessageEvent<Message>) => void) | null;
  close(): void;
}

export type Locks = {
  request(name: string, options: LockOptions, callback: () => Promise<void>): Promise<void>;
};
