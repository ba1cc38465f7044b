import { WORKSPACE_HEADER } from "../client";
import { ApiError } from "../errors";
import { currentWorkspace } from "../workspace";
import { SseParser, type StreamEvent } from "./sse";

/** Yields events as they arrive, and an empty list for a sign of life. Throws an ApiError. */
export type Transport = (after: number, signal: AbortSignal) => AsyncIterable<StreamEvent[]>;

/** The server sends a comment every 15 seconds. A connection without any for this long is dead. */
const SILENCE_MS = 40_000;

/** One request for the events of a URL after a number. */
export function eventSource(url: string): Transport {
  return async function* connect(after, signal) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    const workspace = currentWorkspace();
    if (workspace !== null) headers[WORKSPACE_HEADER] = workspace;
    if (after > 0) headers["Last-Event-ID"] = String(after);
    try {
      const aborted = AbortSignal.any([signal, silence.signal]);
      const response = await fetch(url, { headers, signal: aborted, credentials: "same-origin" });
      if (!response.ok || response.body === null) throw await ApiError.from(response);
      yield [];
      const parser = new SseParser();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      while (true) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        yield parser.push(value);
      }
    } catch (error) {
      if (error instanceof ApiError || signal.aborted) throw error;
      throw ApiError.unreachable();
    } finally {
      clearTimeout(timer);
    }
  };
}
