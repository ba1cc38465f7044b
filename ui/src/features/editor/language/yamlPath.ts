/** Where the cursor is in a YAML document, from its indentation. It also works while the document has errors. */

type PathPart = string | number;

export type Place = {
  /** Keys and indexes from the root to the mapping or list that contains the cursor. */
  path: PathPart[];
  /** The key of the line, and whether the cursor is in its value. */
  key: string | null;
  isInValue: boolean;
  /** Text of the key or value before the cursor. */
  typed: string;
  /** Column of the line's first character after `- `. */
  indent: number;
};

const LINE =
  /^(\s*)((?:- +)*)(-$)?(?:([^\s#'"[\]{}&*!|>%@`,:][^:#]*?|"[^"]*"|'[^']*')\s*:(?=\s|$))?(.*)$/;
const BLOCK = /(^|\s)[|>][+-]?\d?[+-]?\s*(#.*)?$/;

type Line = {
  indent: number;
  dashes: number[];
  key: string | null;
  keyColumn: number;
  rest: string;
};

function readLine(text: string): Line | null {
  if (/^\s*(#|$)/.test(text)) return null;
  const match = LINE.exec(text);
  if (match === null) return null;
  const [, space = "", marks = "", bare = "", key = null, rest = ""] = match;
  const dashes: number[] = [];
  const all = marks + bare;
  for (let at = 0; at < all.length; at++) if (all[at] === "-") dashes.push(space.length + at);
  const keyColumn = space.length + all.length;
  const plain = key === null ? null : key.replace(/^(["'])(.*)\1$/, "$2");
  return { indent: space.length, dashes, key: plain, keyColumn, rest };
}

/** The place of a position. Null: inside a block of text, or a comment. */
export function placeAt(lines: readonly string[], lineIndex: number, column: number): Place | null {
  const text = (lines[lineIndex] ?? "").slice(0, column);
  if (/(^|\s)#/.test(text)) return null;
  const line = readLine(text) ?? {
    indent: text.length,
    dashes: [],
    key: null,
    keyColumn: text.length,
    rest: "",
  };
  const parents = parentsOf(lines, lineIndex, line);
  if (parents === null) return null;
  const isInValue = line.key !== null;
  return {
    path: parents,
    key: line.key,
    isInValue,
    typed: isInValue ? line.rest.trimStart() : text.slice(line.keyColumn),
    indent: line.keyColumn,
  };
}

/** The path to the mapping of a line. Null if the line is a part of a block of text. */
function parentsOf(lines: readonly string[], at: number, line: Line): PathPart[] | null {
  const path: PathPart[] = [];
  let column = line.keyColumn;
  const addDashes = (dashes: readonly number[], from: number, below: number) => {
    for (const dash of [...dashes].reverse()) {
      if (dash >= below) continue;
      path.unshift(countItems(lines, from, dash));
      column = dash;
    }
  };
  addDashes(line.dashes, at, column);
  for (let index = at - 1; index >= 0 && column >= 0; index--) {
    const above = readLine(lines[index] ?? "");
    if (above === null) continue;
    const opensList = above.key !== null && above.rest.trim() === "" && above.keyColumn === column;
    const isListBelow = opensList && typeof path[0] === "number";
    if (above.keyColumn < column || isListBelow) {
      if (above.key !== null) {
        if (BLOCK.test(above.rest) && above.keyColumn < line.indent) return null;
        path.unshift(above.key);
        column = above.keyColumn;
      } else if (above.dashes.length === 0) continue;
      addDashes(above.dashes, index, column);
      if (column === 0 && typeof path[0] === "string") break;
    } else if (
      above.dashes.length > 0 &&
      above.keyColumn === column &&
      typeof path[0] !== "number"
    ) {
      addDashes(above.dashes, index, column);
    }
  }
  return path;
}

/** The index of the list item whose dash is on a line, at a column. */
function countItems(lines: readonly string[], from: number, dash: number): number {
  let items = 0;
  for (let index = from - 1; index >= 0; index--) {
    const above = readLine(lines[index] ?? "");
    if (above === null) continue;
    if (above.dashes.includes(dash)) items += 1;
    else if (above.indent < dash || (above.indent === dash && above.dashes.length === 0)) break;
  }
  return items;
}
