// @vitest-environment happy-dom
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, renderHook, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { api } from "@/api/client";
import type { RunFilter, RunPage } from "@/api/runs";
import type { RunList } from "./model/runList";
import { useRunList } from "./useRunList";

const FAILED: RunFilter = { status: ["failed"] };
const WAITING: RunFilter = { status: ["waiting"] };

type Asked = RunFilter & { cursor?: string };
let requests: { asked: Asked; answer: (page: RunPage) => void }[];
/** The URLs of the streams that were opened. */
let streams: string[];

/** As many runs as a list reads at once, newest first, and the cursor of those after them. */
function pageOf(name: string, next: string | null): RunPage {
  const data = Array.from({ length: 50 }, (_, index) => ({ id: `${name}${99 - index}` }));
  return { data, next_cursor: next } as RunPage;
}

function namesOf(list: RunList | undefined): string[] {
  return [...new Set(list?.rows.map(({ id }) => id.slice(0, 1)))];
}

/** Answer the first open request for runs with a status, from a cursor. */
async function answer(filter: RunFilter, sent: RunPage, cursor?: string): Promise<void> {
  const isIt = ({ asked }: { asked: Asked }) =>
    asked.status?.[0] === filter.status?.[0] && asked.cursor === cursor;
  await waitFor(() => expect(requests.some(isIt)).toBe(true));
  const [request] = requests.splice(requests.findIndex(isIt), 1);
  await act(async () => request?.answer(sent));
}

function open(first: RunFilter) {
  const client = new QueryClient();
  const wrapper = ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={client}>{children}</QueryClientProvider>
  );
  return renderHook((filter: RunFilter) => useRunList(filter), { initialProps: first, wrapper });
}

beforeEach(() => {
  requests = [];
  streams = [];
  const get = (_path: string, { params }: { params: { query: Asked } }) =>
    new Promise((resolve) => {
      requests.push({ asked: params.query, answer: (data) => resolve({ data }) });
    });
  vi.spyOn(api, "GET").mockImplementation(get as unknown as typeof api.GET);
  vi.stubGlobal("fetch", (url: string) => {
    streams.push(url);
    return new Promise(() => {});
  });
});
afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

test("a page that arrives after a change of the filter belongs to the list of its own filter", async () => {
  const { result, rerender } = open(FAILED);
  await answer(FAILED, pageOf("c", "after c"));
  act(() => result.current.more.mutate());
  await waitFor(() => expect(requests).toHaveLength(1));
  rerender(WAITING);
  await answer(WAITING, pageOf("b", "after b"));

  await answer(FAILED, pageOf("a", null), "after c");

  expect(namesOf(result.current.query.data)).toEqual(["b"]);
  expect(result.current.query.data?.next).toBe("after b");
  rerender(FAILED);
  expect(namesOf(result.current.query.data)).toEqual(["c", "a"]);
});

test("a request for more runs of the earlier filter is not shown as one of the new filter", async () => {
  const { result, rerender } = open(FAILED);
  await answer(FAILED, pageOf("c", "after c"));
  act(() => result.current.more.mutate());
  await waitFor(() => expect(result.current.more.isPending).toBe(true));

  rerender(WAITING);

  await waitFor(() => expect(result.current.more.isPending).toBe(false));
});

test("while another filter loads, no page is read after the earlier list", async () => {
  const { result, rerender } = open(FAILED);
  await answer(FAILED, pageOf("c", "after c"));
  rerender(WAITING);

  act(() => result.current.more.mutate());
  await waitFor(() => expect(result.current.more.isSuccess).toBe(true));

  expect(requests.map(({ asked }) => asked.cursor)).toEqual([undefined]);
});

test("the stream of another filter opens after its list has loaded, so that no event is lost", async () => {
  const { result, rerender } = open(FAILED);
  await answer(FAILED, pageOf("c", null));
  await waitFor(() => expect(streams).toEqual(["/api/runs/stream?status=failed"]));

  rerender(WAITING);
  await waitFor(() => expect(requests).toHaveLength(1));
  expect(result.current.query.isPlaceholderData).toBe(true);
  expect(streams).toHaveLength(1);

  await answer(WAITING, pageOf("b", null));
  await waitFor(() => expect(streams).toContain("/api/runs/stream?status=waiting"));
});
