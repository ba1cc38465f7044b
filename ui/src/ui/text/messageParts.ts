import { visible } from "./visible";

export type MessagePart = { text: string; isCode: boolean };

/** The parts of a message: plain text, and code, which stands between backquotes. */
export function messageParts(message: string): MessagePart[] {
  return visible(message)
    .split(/(`[^`]+`)/)
    .filter((part) => part !== "")
    .map((part) => {
      const isCode = part.length > 2 && part.startsWith("`") && part.endsWith("`");
      return { text: isCode ? part.slice(1, -1) : part, isCode };
    });
}
