import { expect, test } from "vitest";
import { SseParser } from "./sse";

const STREAM =
  'event: run.status\ndata: {"status":"running"}\nid: 2\n\n: ping\n\nevent: step.delta\r\ndata: {"text":\r\ndata: "é"}\r\n\r\n';
const EVENTS = [
  { id: 2, type: "run.status", data: { status: "running" } },
  { id: null, type: "step.delta", data: { text: "é" } },
];

test("events are read from one piece", () => {
  expect(new SseParser().push(STREAM)).toEqual(EVENTS);
});

test("events are read from pieces of any size", () => {
  for (let size = 1; size < STREAM.length; size += 1) {
    const parser = new SseParser();
    const found = [];
    for (let at = 0; at < STREAM.length; at += size)
      found.push(...parser.push(STREAM.slice(at, at + size)));
    expect(found).toEqual(EVENTS);
  }
});

test("an event that is cut off is not an event", () => {
  expect(new SseParser().push('event: run.status\ndata: {"status":"running"}\nid: 3\n')).toEqual(
    [],
  );
});
