import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ApiError } from "../errors";
import { follow, type StreamState } from "./connection";
import { eventSource } from "./transport";

/** What the server does with each request, in turn. */
let answers: ((response: ServerResponse) => void)[];
let asked: (string | undefined)[];
let server: Server;
let url: string;

beforeEach(async () => {
  answers = [];
  asked = [];
  server = createServer((request, response) => {
    asked.push(request.headers["last-event-id"]?.toString());
    answers.shift()?.(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/stream`;
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const log = (id: number) => `event: step.log\ndata: {"n":${id}}\nid: ${id}\n\n`;
const end = (id: number) => `event: run.status\ndata: {"status":"failed"}\nid: ${id}\n\n`;

function sends(...frames: string[]) {
  return (response: ServerResponse) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.end(frames.join(""));
  };
}

function refuses(status: number, code: string, headers = {}) {
  return (response: ServerResponse) => {
    response.writeHead(status, { "Content-Type": "application/problem+json", ...headers });
    response.end(
      JSON.stringify({ status, code, detail: "Refused.", type: `/docs/errors#${code}` }),
    );
  };
}

async function run(after = 0) {
  const ids: (number | null)[] = [];
  const states: StreamState[] = [];
  const pauses: { failures: number; error: ApiError | null }[] = [];
  const controller = new AbortController();
  await follow(eventSource(url), after, controller.signal, {
    onEvents: (events) => ids.push(...events.map(({ id }) => id)),
    onState: (state) => states.push(state),
    pause: async (failures, error) => {
      pauses.push({ failures, error });
      if (answers.length === 0) controller.abort();
    },
  });
  return { ids, states, pauses };
}

test("a stream continues after the last event of a connection that ended", async () => {
  answers = [sends(log(1), log(2)), sends(log(2), log(3), end(4))];

  const { ids, states } = await run();

  expect(ids).toEqual([1, 2, 3, 4]);
  expect(asked).toEqual([undefined, "2"]);
  expect(states).toEqual(["connecting", "live", "reconnecting", "live", "ended"]);
});

test("an event that was cut off is read again", async () => {
  const cutOff = (response: ServerResponse) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(log(1) + log(2).slice(0, 20), () => response.destroy());
  };
  answers = [cutOff, sends(log(2), end(3))];

  const { ids } = await run();

  expect(ids).toEqual([1, 2, 3]);
});

test("the page's last event is where the stream begins", async () => {
  answers = [sends(end(8))];

  await run(7);

  expect(asked).toEqual(["7"]);
});

test("the server's wish to wait is passed to the pause", async () => {
  answers = [refuses(429, "too_many_streams", { "Retry-After": "9" }), sends(end(1))];

  const { pauses } = await run();

  expect(pauses[0]?.error).toMatchObject({ code: "too_many_streams", retryAfterSeconds: 9 });
});

test("a refusal that a repetition cannot change is final", async () => {
  answers = [refuses(404, "run_not_found"), sends(end(1))];

  const { states, ids } = await run();

  expect(states).toEqual(["connecting", "failed"]);
  expect(ids).toEqual([]);
});

test("pauses grow while the server only accepts connections", async () => {
  answers = [sends(), sends(), sends(), sends(log(1), log(2)), sends(), sends(end(3))];

  const { pauses } = await run();

  expect(pauses.slice(0, 3).map(({ failures }) => failures)).toEqual([1, 2, 3]);
  expect(pauses[3]?.failures).toBe(1);
});

test("a server that is gone is a reason to try again", async () => {
  server.close();
  await vi.waitFor(() => expect(server.listening).toBe(false));

  const { pauses, states } = await run();

  expect(pauses[0]?.error?.code).toBe("unreachable");
  expect(states).toEqual(["connecting", "reconnecting"]);
});
