import { layoutPipeline } from "./model/layout";
import { readPipeline } from "./model/reading";
import type { Answer, Request } from "./useGraph";

/** Reads and places a pipeline outside the thread of the page, because a text of 256 KiB takes some time. */
self.onmessage = ({ data: { number, text, hasStatus } }: MessageEvent<Request>) => {
  const reading = readPipeline(text);
  const graph =
    reading === null ? null : { ...reading, layout: layoutPipeline(reading.steps, hasStatus) };
  self.postMessage({ number, graph } satisfies Answer);
};
