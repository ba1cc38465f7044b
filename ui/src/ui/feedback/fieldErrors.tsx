import type { ReactNode } from "react";
import { asApiError } from "@/api/errors";
import { Message } from "../text/Message";

/** What is wrong with the fields of a form that failed, by their path in the body. */
export function fieldErrors(error: unknown): Record<string, ReactNode> {
  if (error === null || error === undefined) return {};
  const messages = Object.entries(asApiError(error).fieldErrors);
  return Object.fromEntries(
    messages.map(([path, text]) => [path, <Message key={path} text={text} />]),
  );
}
