import { visible } from "./visible";

export type MessagePart = { text: string; isCode: boolean };

const ROUTE = "`?(?:GET|POST|PUT|PATCH|DELETE) /api/[^\\s`]*?`?";
/** How messages name a route of the API, and what people read in its place. Messages of the server are also for programs. */
const ROUTES: readonly (readonly [RegExp, string])[] = [
  [new RegExp(` To [^.:]+, use ${ROUTE}(?=\\.(?:\\s|$))\\.`, "g"), ""],
  [new RegExp(`(?::| with| in) ${ROUTE}(?=[.,](?:\\s|$))`, "g"), ""],
];

/** The parts of a message: plain text, and code, which stands between backquotes. */
export function messageParts(message: string): MessagePart[] {
  return ROUTES.reduce((text, [route, words]) => text.replace(route, words), visible(message))
    .split(/(`[^`]+`)/)
    .filter((part) => part !== "")
    .map((part) => {
      const isCode = part.length > 2 && part.startsWith("`") && part.endsWith("`");
      return { text: isCode ? part.slice(1, -1) : part, isCode };
    });
}
