import { describe, expect, test } from "vitest";
import type { StepSummary, StreamedEvent } from "@/api/run";
import { Notifier } from "./notifier";
import { RunStore } from "./runStore";
import { at, page, randomFrom, step, stepStatus } from "./testRows";

function manualStore(): RunStore {
  return new RunStore(
    new Notifier(
      () => 1,
      () => {},
    ),
  );
}

function delta(text: string, offset = 0, attempt = 1, call?: number): StreamedEvent {
  const which = { run_id: "r", created_at: at(0), step_id: "a", iteration: 1 };
  const data = { ...which, attempt, offset, call, text };
  return { type: "step.delta", data } as StreamedEvent;
}

describe("events", () => {
  test("the first event of a step creates its row, the last one ends it", () => {
    const store = manualStore();

    store.apply(stepStatus(2, "a", "running", { attempt: 1, name: "Ask", type: "llm" }));
    store.apply(stepStatus(3, "a", "completed", { attempts: 1, duration_ms: 500 }));

    expect(store.row("a||1")).toMatchObject({
      status: "completed",
      name: "Ask",
      attempts: 1,
      started_at: at(2),
      completed_at: at(502),
    });
  });

  test("a computation has only an event of its end", () => {
    const store = manualStore();

    store.apply(stepStatus(9, "sum", "completed", { duration_ms: 4, type: "transform" }));

    expect(store.row("sum||1")).toMatchObject({ started_at: at(5), completed_at: at(9) });
  });

  test("an old event does not change a row that a later page has described", () => {
    const store = manualStore();
    store.addPage(page([step("a", { status: "completed" })], 10));

    store.apply(stepStatus(4, "a", "running", { attempt: 1 }));

    expect(store.row("a||1")?.status).toBe("completed");
  });

  test("a page that is older than an event adds only what events lack", () => {
    const store = manualStore();
    store.apply(stepStatus(12, "a", "completed", { attempts: 2 }));

    store.addPage(page([step("a", { status: "running", attempts: 1, queued_ms: 40 })], 10));

    expect(store.row("a||1")).toMatchObject({ status: "completed", attempts: 2, queued_ms: 40 });
  });

  test("a page that was read before the run's end does not bring it back", () => {
    const store = manualStore();
    const data = { run_id: "r", seq: 5, created_at: at(5), completed_at: at(5) };
    store.apply({ type: "run.status", seq: 5, data: { ...data, status: "completed" } } as never);

    store.setRun({
      status: "running",
      started_at: at(0),
      completed_at: null,
      error: null,
    } as never);

    expect(store.head?.status).toBe("completed");
  });
});

describe("answers", () => {
  test("pieces are joined, and a new attempt starts from the beginning", () => {
    const store = manualStore();
    store.apply(stepStatus(1, "a", "running", { attempt: 1 }));

    store.apply(delta("Good "));
    store.apply(delta("morning", 5));
    expect(store.answer("a||1")).toMatchObject({ text: "Good morning", isPartial: false });

    store.apply(stepStatus(2, "a", "running", { attempt: 2 }));
    store.apply(delta("Hello", 0, 2));
    store.apply(delta("late piece of the first", 12, 1));
    expect(store.answer("a||1")).toMatchObject({ text: "Hello", attempt: 2 });
  });

  test("another call in the same attempt starts from the beginning", () => {
    const store = manualStore();
    store.apply(stepStatus(1, "a", "running", { attempt: 1 }));

    store.apply(delta("Good "));
    store.apply(delta("Hel", 0, 1, 2));
    store.apply(delta("lo", 3, 1, 2));

    expect(store.answer("a||1")).toMatchObject({ text: "Hello", isPartial: false });
  });

  test("a page that opens before the first piece gets the whole text", () => {
    const store = manualStore();
    store.addPage(page([step("a", { status: "running" })], 1));

    store.apply(delta("🎉 Good "));
    store.apply(delta("morning", 7));

    expect(store.answer("a||1")).toMatchObject({ text: "🎉 Good morning", isPartial: false });
  });

  test("a page that opens during a call lacks its beginning, and gets the whole text of the next one", () => {
    const store = manualStore();
    store.addPage(page([step("a", { status: "running" })], 1));

    store.apply(delta("morning", 5));
    expect(store.answer("a||1")).toMatchObject({ text: "morning", isPartial: true });

    store.apply(delta("Hello", 0, 1, 2));
    expect(store.answer("a||1")).toMatchObject({ text: "Hello", isPartial: false });
  });

  test("a piece that was not received marks the text as incomplete, and the text continues", () => {
    const store = manualStore();
    store.apply(stepStatus(1, "a", "running", { attempt: 1 }));
    store.apply(delta("one "));

    store.apply(delta("three", 8));
    store.apply(delta("!", 13));

    expect(store.answer("a||1")).toMatchObject({ text: "one three!", isPartial: true });
  });

  test("the end of the step removes the text, and later pieces have no effect", () => {
    const store = manualStore();
    store.apply(stepStatus(1, "a", "running", { attempt: 1 }));
    store.apply(delta("text"));

    store.apply(stepStatus(2, "a", "completed"));
    store.apply(delta("late"));

    expect(store.answer("a||1")).toBeUndefined();
  });
});

test("an event announces its own row only", () => {
  const store = manualStore();
  store.addPage(page([step("a", { status: "running" }), step("b", { ordinal: 2 })], 1));
  store.flush();
  const heard: string[] = [];
  for (const topic of ["a||1", "b||1", "tree"]) store.subscribe(topic, () => heard.push(topic));

  store.apply(stepStatus(2, "a", "running", { attempt: 2 }));
  store.apply(stepStatus(3, "a", "completed"));
  store.flush();

  expect(heard).toEqual(["a||1"]);
});

/** What a server has recorded: events in order, and the state after each. */
function history(seed: number, count: number) {
  const random = randomFrom(seed);
  const rows = new Map<string, StepSummary>();
  const events: StreamedEvent[] = [];
  const states: StepSummary[][] = [[]];
  let seq = 0;
  const record = (row: StepSummary, event: StreamedEvent) => {
    rows.set(row.step_id, row);
    events.push(event);
    states.push([...rows.values()]);
  };
  while (events.length < count) {
    const running = [...rows.values()].filter(({ status }) => status === "running");
    const chosen = running[Math.floor(random() * running.length)];
    seq += 1;
    if (chosen === undefined || random() < 0.4) {
      const row = step(`s${rows.size}`, {
        ordinal: rows.size + 1,
        status: "running",
        started_at: at(seq),
        completed_at: null,
      });
      record(row, stepStatus(seq, row.step_id, "running", { attempt: 1, type: "llm" }));
    } else if (random() < 0.3) {
      const attempts = chosen.attempts + 1;
      record(
        { ...chosen, attempts },
        stepStatus(seq, chosen.step_id, "running", { attempt: attempts }),
      );
    } else {
      const status = random() < 0.8 ? "completed" : "failed";
      const row = { ...chosen, status, completed_at: at(seq) } as StepSummary;
      record(row, stepStatus(seq, chosen.step_id, status, { attempts: chosen.attempts }));
    }
  }
  return { events, states };
}

test.each(Array.from({ length: 60 }, (_, seed) => seed))(
  "pages, events and repeated events in any order lead to the recorded state (seed %i)",
  (seed) => {
    const random = randomFrom(seed + 1000);
    const { events, states } = history(seed, 120);
    const store = manualStore();
    const first = Math.floor(random() * events.length);
    const size = 5;
    const pages = Math.ceil((states.at(-1)?.length ?? 0) / size);

    // Page N is read at a random time after page N - 1, while the stream is at a random place.
    let [read, applied, moment] = [0, first, first];
    while (read < pages || applied < events.length) {
      if (read === 0 || (read < pages && random() < 0.3)) {
        if (read > 0)
          moment = Math.max(moment, Math.floor(first + random() * (events.length - first)));
        const data = (states[moment] ?? []).slice(read * size, (read + 1) * size);
        store.addPage(page(data, moment, "more"));
        read += 1;
        if (data.length < size) read = pages;
      } else if (applied < events.length) {
        store.apply(events[applied] as StreamedEvent);
        applied += 1;
        // A new connection can repeat events.
        if (random() < 0.1) applied = Math.max(first, applied - 3);
      }
    }

    const shown = store.rows.map(({ step_id, status, attempts }) => [step_id, status, attempts]);
    const recorded = (states.at(-1) ?? []).map((row) => [row.step_id, row.status, row.attempts]);
    expect(shown.sort()).toEqual(recorded.sort());
    expect(store.lastSeq).toBe(events.length);
  },
);

test("10,000 steps with 10,000 events stay within the time of a few frames", () => {
  const store = manualStore();
  const steps = Array.from({ length: 10_000 }, (_, index) =>
    step(`s${index}`, { ordinal: index + 1, status: "running", completed_at: null }),
  );
  store.addPage(page(steps, 1));
  const tree = store.tree;

  for (let index = 0; index < 10_000; index += 1) {
    store.apply(stepStatus(index + 2, `s${index}`, "completed"));
  }
  store.flush();

  expect(store.tree).toBe(tree);
  expect(store.rows.every(({ status }) => status === "completed")).toBe(true);
});

test("rows that arrive one by one lead to the same tree as all of them at once", () => {
  const random = randomFrom(3);
  const rows = Array.from({ length: 400 }, (_, index) => {
    const branch = index === 0 || random() < 0.1 ? "" : String(Math.floor(random() * 12));
    return step(`s${index}`, { ordinal: index + 1, branch });
  });
  const whole = manualStore();
  whole.addPage(page(rows, 1));
  const grown = manualStore();
  grown.addPage(page(rows.slice(0, 1), 1));
  for (const [index, row] of rows.entries()) {
    const tree = grown.tree;
    grown.apply(
      stepStatus(index + 2, row.step_id, "running", row.branch ? { branch: row.branch } : {}),
    );
    expect(grown.tree === tree).toBe(index === 0);
  }

  const shape = (store: RunStore) =>
    store.tree.roots.map(({ key, position, children }) => [
      key,
      position,
      children.map((each) => [each.key, each.position]),
    ]);
  expect(shape(grown)).toEqual(shape(whole));
});
