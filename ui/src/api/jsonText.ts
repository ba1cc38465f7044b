/**
 * JSON as texts, without parsing its values: that could change numbers. 1180591620717411303424 and 8.0 are other numbers
 * for JavaScript.
 */

/** An object with more members, whose values are JSON texts as they were typed. */
export function jsonText(object: object, texts: Readonly<Record<string, string>>): string {
  const members = [
    ...Object.entries(object)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, JSON.stringify(value)]),
    ...Object.entries(texts),
  ];
  return `{${members.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(",")}}`;
}

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const opens = (token: string | undefined) => token === "{" || token === "[";
const closes = (token: string | undefined) => token === "}" || token === "]";

/** Whether all numbers of a JSON text stay as they are when it is parsed and written again. */
export function keepsNumbers(json: string): boolean {
  for (const [token] of json.matchAll(TOKEN)) {
    if (/^[-\d]/.test(token) && String(Number(token)) !== token) return false;
  }
  return true;
}

/** The value of a member of a valid JSON object, indented as `JSON.stringify(value, null, 2)` does. */
export function memberText(json: string, name: string): string {
  const value: string[] = [];
  let depth = 0;
  let member: string | null = null;
  let before = "";
  for (const [token] of json.matchAll(TOKEN)) {
    if (closes(token)) depth -= 1;
    const isEnd = depth === 0 || (depth === 1 && token === ",");
    if (isEnd && value.length > 0) break;
    if (isEnd) member = null;
    else if (depth === 1 && token === ":") member = before;
    else if (member === JSON.stringify(name)) value.push(token);
    if (opens(token)) depth += 1;
    before = token;
  }
  return indented(value);
}

function indented(tokens: readonly string[]): string {
  let margin = "\n";
  let text = "";
  for (const [index, token] of tokens.entries()) {
    if (closes(token)) {
      margin = margin.slice(0, -2);
      text += opens(tokens[index - 1]) ? token : margin + token;
    } else if (opens(token)) {
      margin += "  ";
      text += closes(tokens[index + 1]) ? token : token + margin;
    } else if (token === ",") text += token + margin;
    else text += token === ":" ? ": " : token;
  }
  return text;
}
