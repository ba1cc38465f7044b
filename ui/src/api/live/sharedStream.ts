import { ApiError } from "../errors";
import { Backlog } from "./backlog";
import { follow, pauseBeforeReconnect, type StreamState } from "./connection";
import type { Channel, Locks, Message, Problem } from "./messages";
import { randomId } from "./randomId";
import { isFinal, type StreamEvent } from "./sse";
import type { Transport } from "./transport";

type Options = {
  /** Names the lock and the channel: the same for all tabs that share the connection. */
  name: string;
  /** Number of the last event that the view knows. */
  after: number;
  transport: Transport;
  locks: Locks;
  channel: Channel;
  onEvents: (events: StreamEvent[]) => void;
  onState: (state: StreamState, error: ApiError | null) => void;
  pause?: typeof pauseBeforeReconnect;
  /** How long a leader may be silent before another tab takes its place. */
  patienceMs?: { answer: number; signOfLife: number };
};

const PATIENCE = { answer: 3000, signOfLife: 45_000 };

/**
 * Follows a stream in one of several tabs, of which one has the connection.
 *
 * The tab with the lock is the leader: it connects, and sends all events to the others. A tab that joins, or has missed
 * an event, asks the leader for the rest. If the leader no longer has it, the tab gets it over a connection that it then
 * closes. If the leader goes, the next tab gets the lock and continues from its own last event. If the leader is silent
 * for too long, another tab takes the lock from it.
 */
export class SharedStream {
  readonly #id = randomId();
  readonly #options: Required<Options>;
  readonly #closed = new AbortController();
  #lastId: number;
  #backlog: Backlog | null = null;
  #leadership: AbortController | null = null;
  #isJoined = false;
  #isAsking = false;
  #isCatchingUp = false;
  #state: StreamState = "connecting";
  #patience: ReturnType<typeof setTimeout> | undefined;

  constructor(options: Options) {
    this.#options = { pause: pauseBeforeReconnect, patienceMs: PATIENCE, ...options };
    this.#lastId = options.after;
    options.channel.onmessage = ({ data }) => this.#receive(data);
    this.#queueForLock(false);
    this.#ask(true);
  }

  get isLeader(): boolean {
    return this.#leadership !== null;
  }

  close(): void {
    this.#closed.abort();
    this.#leadership?.abort();
    clearTimeout(this.#patience);
    this.#options.channel.onmessage = null;
    this.#options.channel.close();
  }

  #queueForLock(steal: boolean): void {
    const { locks, name } = this.#options;
    // The platform permits no signal together with `steal`.
    const request = steal ? { steal } : { signal: this.#closed.signal };
    locks
      .request(name, request, () => this.#lead())
      .catch(() => {
        // Closed, or another tab has taken the lock.
        this.#stopLeading();
        if (!this.#isOver) this.#queueForLock(false);
      });
  }

  async #lead(): Promise<void> {
    if (this.#isOver) return;
    const leadership = new AbortController();
    this.#leadership = leadership;
    this.#isJoined = true;
    this.#isAsking = false;
    this.#backlog = new Backlog(this.#lastId);
    clearTimeout(this.#patience);
    await follow(this.#options.transport, this.#lastId, leadership.signal, {
      pause: this.#options.pause,
      onEvents: (events, previousId) => {
        this.#backlog?.add(events);
        if (events.length > 0) this.#post({ kind: "events", events, previousId });
        else this.#post({ kind: "state", state: this.#state, problem: null });
        this.#deliver(this.#unknown(events));
      },
      onState: (state, error) => {
        const problem = error
          ? { status: error.status, code: error.code, detail: error.message }
          : null;
        this.#setState(state, problem);
        this.#post({ kind: "state", state, problem });
      },
    });
    this.#stopLeading();
  }

  #stopLeading(): void {
    this.#leadership?.abort();
    this.#leadership = null;
    this.#backlog = null;
  }

  #receive(message: Message): void {
    if (message.kind === "ask") {
      this.#answer(message);
      return;
    }
    if (this.isLeader || this.#isOver) return;
    this.#expectSignOfLife();
    // The end is known from the last event only, because this tab may have missed some.
    if (message.kind === "state" && message.state !== "ended") {
      this.#setState(message.state, message.problem);
    } else if (message.kind === "events") this.#receiveEvents(message.events, message.previousId);
    else if (message.kind === "answer" && message.to === this.#id) this.#receiveAnswer(message);
  }

  #answer({ from, after, isNew }: Extract<Message, { kind: "ask" }>): void {
    if (this.#backlog === null) return;
    const recorded = this.#backlog.after(after);
    const events = recorded && isNew ? [...recorded, ...this.#backlog.unnumbered()] : recorded;
    this.#post({ kind: "answer", to: from, events, lastId: this.#lastId, state: this.#state });
  }

  #receiveEvents(events: StreamEvent[], previousId: number): void {
    if (!this.#isJoined || this.#isCatchingUp) return;
    if (previousId > this.#lastId) this.#ask(false);
    else this.#deliver(this.#unknown(events));
  }

  #receiveAnswer({ events, lastId, state }: Extract<Message, { kind: "answer" }>): void {
    if (!this.#isAsking) return;
    this.#isAsking = false;
    this.#isJoined = true;
    if (events === null) {
      void this.#catchUp(lastId);
      return;
    }
    this.#setState(state, null);
    this.#deliver(this.#unknown(events));
  }

  /** Reads what the leader no longer has, up to an event that it had a moment ago. */
  async #catchUp(target: number): Promise<void> {
    this.#isCatchingUp = true;
    const enough = new AbortController();
    const signal = AbortSignal.any([enough.signal, this.#closed.signal]);
    await follow(this.#options.transport, this.#lastId, signal, {
      pause: this.#options.pause,
      onEvents: (events) => {
        // The leader sends the streamed text to all tabs.
        this.#deliver(this.#unknown(events).filter(({ id }) => id !== null));
        if (this.#lastId >= target) enough.abort();
      },
      onState: () => {},
    });
    this.#isCatchingUp = false;
    this.#ask(false);
  }

  #ask(isNew: boolean): void {
    if (this.#isAsking || this.#isOver || this.isLeader) return;
    this.#isAsking = true;
    this.#post({ kind: "ask", from: this.#id, after: this.#lastId, isNew });
    this.#takeOverAfter(this.#options.patienceMs.answer);
  }

  #expectSignOfLife(): void {
    const { answer, signOfLife } = this.#options.patienceMs;
    this.#takeOverAfter(this.#isAsking ? answer : signOfLife);
  }

  #takeOverAfter(ms: number): void {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => {
      if (!this.isLeader && !this.#isOver) this.#queueForLock(true);
    }, ms);
  }

  #unknown(events: readonly StreamEvent[]): StreamEvent[] {
    return events.filter(({ id }) => id === null || id > this.#lastId);
  }

  #deliver(events: StreamEvent[]): void {
    if (events.length === 0 || this.#closed.signal.aborted) return;
    this.#lastId = events.reduce((last, { id }) => id ?? last, this.#lastId);
    this.#options.onEvents(events);
    if (events.some(isFinal)) this.#setState("ended", null);
  }

  #setState(reported: StreamState, problem: Problem | null): void {
    // A new leader connects. Text that was streamed since the earlier one stopped is missing in tabs that were live.
    const isAgain = reported === "connecting" && this.#state === "live";
    const state = isAgain ? "reconnecting" : reported;
    if (this.#isOver || state === this.#state) return;
    this.#state = state;
    if (this.#isOver) clearTimeout(this.#patience);
    this.#options.onState(state, problem === null ? null : new ApiError(problem));
  }

  get #isOver(): boolean {
    return this.#closed.signal.aborted || this.#state === "ended" || this.#state === "failed";
  }

  #post(message: Message): void {
    if (!this.#closed.signal.aborted) this.#options.channel.postMessage(message);
  }
}
