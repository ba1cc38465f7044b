import type { LogLine, Run, RunStatus, StepPage, StreamedEvent } from "@/api/run";
import { afterReviewRequested, afterStepStatus, listedRow } from "./applyEvent";
import { Notifier } from "./notifier";
import { enclosing, hasEnded, type Row, rowKey } from "./rows";
import { builderOf, type Tree, type TreeBuilder } from "./tree";

/** Status and times of the run, which events update before the run is read again. */
export type Head = Pick<Run, "status" | "started_at" | "completed_at" | "error"> & {
  seq: number;
  /** When the wait of the run ends. */
  until: string | null;
};

export type Answer = {
  attempt: number;
  call?: number | undefined;
  text: string;
  /** Characters of the call's text up to here, as the server counts them. */
  end: number;
  /** Whether its beginning, or a piece of it, is missing. */
  isPartial: boolean;
};

/** What the page knows about its own data. */
export type Loading = {
  /** Whether the first page of steps is here. */
  hasSteps: boolean;
  /** Whether all pages are here. */
  isComplete: boolean;
  /** Why the steps cannot be read. The page does not try again. */
  failure: unknown;
};

/** Characters of an answer that the page keeps while it streams. The step has the complete output afterwards. */
const MAX_ANSWER = 200_000;
const MAX_LOG_LINES = 1000;
const NO_LINES: readonly LogLine[] = [];

/** The state of one run. It is outside React, so that an event renders only the rows that it changes. */
export class RunStore {
  readonly #rows = new Map<string, Row>();
  readonly #answers = new Map<string, Answer>();
  readonly #logs = new Map<string, readonly LogLine[]>();
  readonly #inside = new Map<string, number>();
  readonly #notifier: Notifier;
  #builder: TreeBuilder | null = null;
  #tree: Tree | null = null;
  #head: Head | null = null;
  #lastSeq = 0;
  #loading: Loading = {
    hasSteps: false,
    isComplete: false,
    failure: null,
  };

  constructor(notifier = new Notifier()) {
    this.#notifier = notifier;
  }

  /** Topics: the key of a row, "answer:KEY", "logs:KEY", "inside:BRANCH", "tree", "head", "seq", "loading". */
  readonly subscribe = (topic: string, listener: () => void): (() => void) =>
    this.#notifier.subscribe(topic, listener);

  flush(): void {
    this.#notifier.flush();
  }

  row(key: string): Row | undefined {
    return this.#rows.get(key);
  }

  get size(): number {
    return this.#rows.size;
  }

  get rows(): readonly Row[] {
    return [...this.#rows.values()];
  }

  get head(): Head | null {
    return this.#head;
  }

  /** Number of the last event that was applied. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** The rows as a tree. It is the same object until rows are added or reordered. */
  get tree(): Tree {
    this.#builder ??= builderOf(this.#rows.values());
    this.#tree ??= this.#builder.snapshot();
    return this.#tree;
  }

  answer(key: string): Answer | undefined {
    return this.#answers.get(key);
  }

  logs(key: string): readonly LogLine[] {
    return this.#logs.get(key) ?? NO_LINES;
  }

  /** The run as it was read. Events can be ahead of it. */
  setRun(run: Run): void {
    const known = this.#head;
    if (known !== null && known.seq > 0 && (isEnd(known.status) || !isEnd(run.status))) return;
    const { status, started_at, completed_at, error } = run;
    this.#head = { status, started_at, completed_at, error, until: null, seq: known?.seq ?? 0 };
    this.#notifier.changed("head");
  }

  /** A number that changes with each status of the steps in the branches inside a branch. */
  insideVersion(branch: string): number {
    return this.#inside.get(branch) ?? 0;
  }

  get loading(): Loading {
    return this.#loading;
  }

  setLoading(change: Partial<Loading>): void {
    this.#loading = { ...this.#loading, ...change };
    this.#notifier.changed("loading");
  }

  addPage(page: StepPage): void {
    if (!this.#loading.hasSteps) this.#lastSeq = Math.max(this.#lastSeq, page.last_seq);
    this.setLoading({ hasSteps: true, isComplete: page.next_cursor === null });
    for (const step of page.data) {
      const known = this.#rows.get(rowKey(step));
      this.#set(known, listedRow(known, step, page.last_seq));
    }
  }

  apply(event: StreamedEvent): void {
    switch (event.type) {
      case "run.status":
        this.#applyRunStatus(event.data);
        break;
      case "step.status":
        this.#change(event.data, (known) => afterStepStatus(known, event.data));
        break;
      case "review.requested":
        this.#change(event.data, (known) => afterReviewRequested(known, event.data));
        break;
      case "step.log":
        this.#addLog(event.data);
        break;
      case "step.delta":
        this.#addText(event.data);
        return;
    }
    if (event.data.seq > this.#lastSeq) {
      this.#lastSeq = event.data.seq;
      this.#notifier.changed("seq");
    }
  }

  stop(): void {
    this.#notifier.stop();
  }

  #change(which: { step_id: string; branch?: string; iteration: number }, act: Change): void {
    const key = rowKey({ ...which, branch: which.branch ?? "" });
    const known = this.#rows.get(key);
    const next = act(known);
    if (next === known) return;
    if (known !== undefined && next.attempt > known.attempt) this.#answers.delete(key);
    this.#set(known, next);
  }

  #set(known: Row | undefined, next: Row): void {
    this.#rows.set(next.key, next);
    this.#notifier.changed(next.key);
    if (known === undefined || known.ordinal !== next.ordinal) {
      this.#tree = null;
      if (known === undefined && this.#builder?.canAdd(next)) this.#builder.add(next);
      else this.#builder = null;
      this.#notifier.changed("tree");
    }
    // The row of a `parallel` counts the statuses of what it contains.
    if (next.branch !== "" && known?.status !== next.status) {
      const around = enclosing(next.branch);
      this.#inside.set(around, this.insideVersion(around) + 1);
      this.#notifier.changed(`inside:${around}`);
    }
    if (hasEnded(next)) this.#answers.delete(next.key);
  }

  #applyRunStatus(data: Extract<StreamedEvent, { type: "run.status" }>["data"]): void {
    const known = this.#head;
    if (known !== null && data.seq <= known.seq) return;
    if (known !== null && isEnd(known.status) && !isEnd(data.status)) return;
    this.#head = {
      seq: data.seq,
      status: data.status,
      started_at: data.started_at ?? known?.started_at ?? null,
      completed_at: data.completed_at ?? null,
      error: data.error ?? null,
      until: data.until ?? null,
    };
    this.#notifier.changed("head");
  }

  #addLog(data: Extract<StreamedEvent, { type: "step.log" }>["data"]): void {
    const key = rowKey({ ...data, branch: data.branch ?? "" });
    const lines = this.#logs.get(key) ?? NO_LINES;
    if (lines.some(({ seq }) => seq >= data.seq)) return;
    const { seq, level, message, created_at } = data;
    this.#logs.set(key, [...lines, { seq, level, message, created_at }].slice(-MAX_LOG_LINES));
    this.#notifier.changed(`logs:${key}`);
  }

  #addText(data: Extract<StreamedEvent, { type: "step.delta" }>["data"]): void {
    const key = rowKey({ ...data, branch: data.branch ?? "" });
    const row = this.#rows.get(key);
    if (row !== undefined && hasEnded(row)) return;
    const known = this.#answers.get(key);
    if (known !== undefined && known.attempt > data.attempt) return;
    const same = known?.attempt === data.attempt && known.call === data.call ? known : undefined;
    const text = `${same?.text ?? ""}${data.text}`;
    this.#answers.set(key, {
      attempt: data.attempt,
      call: data.call,
      text: text.slice(-MAX_ANSWER),
      end: data.offset + [...data.text].length,
      isPartial:
        same?.isPartial === true || data.offset > (same?.end ?? 0) || text.length > MAX_ANSWER,
    });
    this.#notifier.changed(`answer:${key}`);
  }
}

type Change = (known: Row | undefined) => Row;

function isEnd(status: RunStatus): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}
