/** An event of a stream. `id` numbers the recorded ones; others, such as streamed text, have none. */
export type StreamEvent = { id: number | null; type: string; data: unknown };

/** Reads server-sent events from text that arrives in any pieces. */
export class SseParser {
  #rest = "";
  #type = "";
  #data: string[] = [];
  #id: number | null = null;

  push(piece: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    const lines = (this.#rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line !== "") {
        this.#field(line);
        continue;
      }
      if (this.#data.length > 0) {
        const data: unknown = JSON.parse(this.#data.join("\n"));
        events.push({ id: this.#id, type: this.#type || "message", data });
      }
      this.#type = "";
      this.#data = [];
      this.#id = null;
    }
    return events;
  }

  #field(line: string): void {
    const colon = line.indexOf(":");
    // A line that begins with a colon is a comment, which keeps the connection open.
    if (colon === 0) return;
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#type = value;
    else if (name === "id" && /^\d+$/.test(value)) this.#id = Number(value);
  }
}

const FINAL_STATUSES: readonly unknown[] = ["completed", "failed", "cancelled"];

/** Whether the stream of a run ends after the event. */
export function isFinal({ type, data }: StreamEvent): boolean {
  if (type !== "run.status" || typeof data !== "object" || data === null) return false;
  return "status" in data && FINAL_STATUSES.includes(data.status);
}
