import { expect, test } from "vitest";
import type { StreamEvent } from "@/api/live/sse";
import type { Run, RunStatus } from "@/api/runs";
import { LiveRuns } from "./liveRuns";
import {
  addPage,
  changeRun,
  type FreshRuns,
  type RunList,
  refresh,
  removeRun,
  showWaiting,
  startList,
} from "./runList";

const run = (id: number, status: RunStatus = "running") => ({ id: `r${id}`, status }) as Run;
const list = (ids: number[], next: string | null = null) =>
  startList({ runs: ids.map((id) => run(id)), next });
const ids = (runs: readonly Run[]) => runs.map(({ id }) => Number(id.slice(1)));
const changed = (each: Run): StreamEvent => ({ id: null, type: "run.changed", data: each });
const stale: StreamEvent = { id: null, type: "list.stale", data: {} };

test("a change replaces the row in its place", () => {
  const after = changeRun(list([3, 2, 1]), run(2, "completed"));
  expect(ids(after.rows)).toEqual([3, 2, 1]);
  expect(after.rows[1]?.status).toBe("completed");
});

test("new runs wait, each once, until they are asked for", () => {
  let after = changeRun(list([3, 1]), run(5));
  after = changeRun(after, run(2));
  after = changeRun(after, run(5, "failed"));
  expect(ids(after.rows)).toEqual([3, 1]);
  expect(ids(after.waiting)).toEqual([5, 2]);
  after = showWaiting(after);
  expect(ids(after.rows)).toEqual([5, 3, 2, 1]);
  expect(after.rows[0]?.status).toBe("failed");
  expect(after.waiting).toEqual([]);
});

test("a run among the pages that are not loaded is ignored", () => {
  expect(changeRun(list([5, 4], "more"), run(3)).waiting).toEqual([]);
  expect(ids(changeRun(list([5, 4]), run(3)).waiting)).toEqual([3]);
});

test("the first run of an empty list appears at once", () => {
  expect(ids(changeRun(list([]), run(1)).rows)).toEqual([1]);
});

test("a run that has left disappears from the rows and from those that wait", () => {
  const before = changeRun(list([3, 2, 1]), run(4));
  const after = removeRun(removeRun(before, "r2"), "r4");
  expect(ids(after.rows)).toEqual([3, 1]);
  expect(after.waiting).toEqual([]);
  expect(removeRun(after, "r9")).toBe(after);
});

test("reading again changes, removes and announces runs, and keeps the rows that were not read", () => {
  const before = list([6, 5, 4, 2], "more");
  const fresh: FreshRuns = { runs: [run(7), run(6, "failed"), run(4)], next: "more" };
  const after = refresh(before, fresh);
  expect(ids(after.rows)).toEqual([6, 4, 2]);
  expect(after.rows[0]?.status).toBe("failed");
  expect(ids(after.waiting)).toEqual([7]);
});

test("reading again removes all rows that were not read if there is nothing after them", () => {
  expect(ids(refresh(list([3, 2]), { runs: [run(3)], next: null }).rows)).toEqual([3]);
  expect(ids(refresh(list([3, 2]), { runs: [], next: "more" }).rows)).toEqual([3, 2]);
});

test("a page is added after the rows, without duplicates", () => {
  const page = { runs: [run(4), run(3)], next: null };
  const after = addPage(list([5, 4], "more"), page);
  expect(ids(after.rows)).toEqual([5, 4, 3]);
  expect(after.next).toBeNull();
});

test("events that arrive while the rows are read win over what was read", async () => {
  let state: RunList = list([1]);
  let answer: (fresh: FreshRuns) => void = () => {};
  let readings = 0;
  const live = new LiveRuns({
    change: (act) => {
      state = act(state);
    },
    read: () => {
      readings += 1;
      return new Promise((resolve) => (answer = resolve));
    },
    wait: () => Promise.resolve(),
  });
  live.apply([stale]);
  const reading = live.reread();
  await Promise.resolve();
  await Promise.resolve();
  live.apply([changed(run(1, "completed"))]);
  expect(state.rows[0]?.status).toBe("running");
  answer({ runs: [run(1)], next: null });
  await reading;
  await new Promise((resolve) => setTimeout(resolve));
  expect(state.rows[0]?.status).toBe("completed");
  expect(readings).toBe(1);
});
