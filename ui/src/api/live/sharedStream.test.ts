import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Channel } from "./messages";
import { SharedStream } from "./sharedStream";
import type { StreamEvent } from "./sse";
import { final, recorded, TestLocks, TestServer, text } from "./testing";

type Tab = { stream: SharedStream; events: StreamEvent[]; ids: () => number[]; states: string[] };

const tabs: Tab[] = [];
let server: TestServer;
let locks: TestLocks;
let channelName: string;

beforeEach(() => {
  server = new TestServer();
  locks = new TestLocks();
  channelName = crypto.randomUUID();
});

afterEach(() => {
  for (const tab of tabs.splice(0)) tab.stream.close();
});

const PATIENCE = { answer: 60_000, signOfLife: 60_000 };

function open({ after = 0, patienceMs = PATIENCE, isDeaf = false } = {}): Tab {
  const channel = new BroadcastChannel(channelName) as unknown as Channel;
  const deaf: Channel = {
    postMessage: (message) => channel.postMessage(message),
    onmessage: null,
    close: () => channel.close(),
  };
  const events: StreamEvent[] = [];
  const states: string[] = [];
  const stream = new SharedStream({
    name: channelName,
    after,
    transport: server.transport,
    locks,
    channel: isDeaf ? deaf : channel,
    onEvents: (found) => events.push(...found),
    onState: (state) => states.push(state),
    pause: () => Promise.resolve(),
    patienceMs,
  });
  const ids = () => events.flatMap(({ id }) => id ?? []);
  const tab = { stream, events, ids, states };
  tabs.push(tab);
  return tab;
}

/** The numbers from the first to the last one. */
function upTo(last: number, first = 1): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

async function settled(tab: Tab, ids: number[]): Promise<void> {
  await vi.waitFor(() => expect(tab.ids()).toEqual(ids));
}

test("two tabs share one connection and get the same events", async () => {
  const [first, second] = [open(), open()];

  server.record(recorded(1), recorded(2));
  server.record(recorded(3));

  await settled(first, upTo(3));
  await settled(second, upTo(3));
  expect(server.connections).toBe(1);
});

test("a tab that joins late gets the earlier events from the leader", async () => {
  const first = open();
  server.record(...upTo(50).map(recorded));
  await settled(first, upTo(50));

  const second = open({ after: 20 });

  await settled(second, upTo(50, 21));
  expect(server.asked).toEqual([0]);
});

test("a tab that joins gets the text of the step that runs, once", async () => {
  const first = open();
  server.record(recorded(1));
  server.record(text("Hel"), text("lo"));
  await vi.waitFor(() => expect(first.events).toHaveLength(3));

  const second = open({ after: 1 });
  await vi.waitFor(() => expect(second.events).toHaveLength(1));
  server.record(text(" you"));

  await vi.waitFor(() => expect(second.events).toHaveLength(2));
  expect(second.events.map(({ data }) => (data as { text: string }).text)).toEqual([
    "Hello",
    " you",
  ]);
});

test("a tab that joins gets only the text of the last call of an attempt", async () => {
  const first = open();
  server.record(recorded(1));
  server.record(text("Good"), text("Hel", "a", 2), text("lo", "a", 2));
  await vi.waitFor(() => expect(first.events).toHaveLength(4));

  const second = open({ after: 1 });

  await vi.waitFor(() => expect(second.events).toHaveLength(1));
  expect(second.events[0]?.data).toMatchObject({ text: "Hello", call: 2 });
});

test("the text of a step that has ended is not repeated", async () => {
  const first = open();
  server.record(text("Hello"));
  server.record({
    id: 1,
    type: "step.status",
    data: { step_id: "a", iteration: 1, status: "completed" },
  });
  await settled(first, [1]);

  const second = open();

  await settled(second, [1]);
  expect(second.events).toHaveLength(1);
});

test("a tab that joins a list reads it, and then gets its changes", async () => {
  const stale = { id: null, type: "list.stale", data: {} };
  const changed = (id: string) => ({ id: null, type: "run.changed", data: { id } });
  const first = open();
  server.record(stale, changed("a"));
  server.record(stale, changed("b"));
  await vi.waitFor(() => expect(first.events).toHaveLength(4));

  const second = open();
  await vi.waitFor(() => expect(second.events).toEqual([stale]));
  server.record(changed("c"));

  await vi.waitFor(() => expect(second.events).toEqual([stale, changed("c")]));
});

test("after a lost connection, the stream continues without a gap or a duplicate", async () => {
  const [first, second] = [open(), open()];
  server.record(...upTo(5).map(recorded));
  await settled(second, upTo(5));

  server.drop();
  server.record(recorded(6));
  await settled(first, upTo(6));
  server.record(recorded(7));

  await settled(first, upTo(7));
  await settled(second, upTo(7));
  expect(first.states).toContain("reconnecting");
  expect(server.asked).toEqual([0, 5]);
});

test("when the leader closes, the next tab continues from its own last event", async () => {
  const [first, second, third] = [open(), open(), open()];
  server.record(...upTo(5).map(recorded));
  for (const tab of [first, second, third]) await settled(tab, upTo(5));

  first.stream.close();
  await vi.waitFor(() => expect(second.stream.isLeader).toBe(true));
  server.record(recorded(6));

  await settled(second, upTo(6));
  await settled(third, upTo(6));
  expect(first.ids()).toEqual(upTo(5));
  expect(server.connections).toBe(1);
});

test.each([false, true])(
  "tabs reconnect with a new leader that is new itself: %s",
  async (isNew) => {
    const first = open();
    // It gets no answer, so it has not been live when it becomes the leader.
    if (isNew) open({ isDeaf: true });
    const [second, third] = [open(), open()];
    server.record(recorded(1));
    await settled(second, [1]);
    await settled(third, [1]);

    first.stream.close();

    for (const tab of [second, third]) {
      await vi.waitFor(() => expect(tab.states).toEqual(["live", "reconnecting", "live"]));
    }
  },
);

test("a tab gets what the leader no longer has over a connection that it then closes", async () => {
  const first = open({ after: 0 });
  server.record(...upTo(8000).map(recorded));
  await settled(first, upTo(8000));

  const second = open({ after: 100 });
  server.record(recorded(8001));

  await settled(second, upTo(8001, 101));
  await vi.waitFor(() => expect(server.connections).toBe(1));
  server.record(recorded(8002));
  await settled(second, upTo(8002, 101));
  await settled(first, upTo(8002));
  expect(server.asked).toEqual([0, 100]);
});

test("all tabs end after the final event, and a later one reads the log", async () => {
  const [first, second] = [open(), open()];
  server.record(recorded(1), final(2));
  await settled(first, [1, 2]);
  await settled(second, [1, 2]);
  expect([first.states.at(-1), second.states.at(-1)]).toEqual(["ended", "ended"]);
  await vi.waitFor(() => expect(server.connections).toBe(0));

  const third = open();

  await settled(third, [1, 2]);
  expect(third.states.at(-1)).toBe("ended");
});

test("a leader that is silent loses the lock, and the other tab continues", async () => {
  const channel = new BroadcastChannel(channelName);
  const frozen = new Promise<void>(() => {});
  void locks.request(channelName, {}, () => frozen).catch(() => undefined);
  server.record(recorded(1));

  const tab = open({ patienceMs: { answer: 20, signOfLife: 20 } });

  await settled(tab, [1]);
  expect(tab.stream.isLeader).toBe(true);
  channel.close();
});

test("events that arrive while tabs open and close reach each open tab once", async () => {
  let id = 0;
  const opened: { tab: Tab; after: number }[] = [];
  for (let round = 0; round < 40; round += 1) {
    if (round % 4 === 0) opened.push({ tab: open({ after: id }), after: id });
    if (round % 7 === 6) opened.shift()?.tab.stream.close();
    if (round % 5 === 4) server.drop();
    server.record(...upTo(id + 3, id + 1).map(recorded));
    id += 3;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(opened.length).toBeGreaterThan(2);
  for (const { tab, after } of opened) await settled(tab, upTo(id, after + 1));
});
