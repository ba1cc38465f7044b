import { messageParts } from "@/ui/text/messageParts";

/** A message with its code, for CodeMirror, which shows elements of the page. */
export function messageNode(message: string): HTMLElement {
  const node = document.createElement("div");
  for (const { text, isCode } of messageParts(message)) {
    const part = isCode ? document.createElement("code") : document.createTextNode(text);
    part.textContent = text;
    node.append(part);
  }
  return node;
}
