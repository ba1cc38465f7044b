/** A long text, divided into rows of at most `columns` characters. Rows are cut from the text when they are shown. */

export type TextRow = {
  text: string;
  /** Number of the line, from 1, if the row is the first one of it. */
  line: number | null;
};

export class WrappedText {
  readonly #text: string;
  /** Where each row begins. */
  readonly #starts: Uint32Array;
  /** Index of the first row of each line. */
  readonly #lines: Uint32Array;

  constructor(text: string, columns: number) {
    this.#text = text;
    const starts: number[] = [];
    const lines: number[] = [];
    let start = 0;
    while (true) {
      const newline = text.indexOf("\n", start);
      const end = newline === -1 ? text.length : newline;
      lines.push(starts.length);
      starts.push(start);
      for (let at = nextRow(text, start, columns); at < end; at = nextRow(text, at, columns)) {
        starts.push(at);
      }
      if (newline === -1) break;
      start = newline + 1;
    }
    this.#starts = Uint32Array.from(starts);
    this.#lines = Uint32Array.from(lines);
  }

  get rowCount(): number {
    return this.#starts.length;
  }

  get lineCount(): number {
    return this.#lines.length;
  }

  row(index: number): TextRow {
    const start = this.#starts[index] ?? this.#text.length;
    const next = this.#starts[index + 1] ?? this.#text.length + 1;
    const line = this.#lineAt(index);
    const isLast = this.#lines[line] === index + 1;
    const end = isLast || index === this.rowCount - 1 ? next - 1 : next;
    const text = this.#text.slice(start, end).replace(/\r$/, "");
    return { text, line: this.#lines[line - 1] === index ? line : null };
  }

  /** The row that contains a character. */
  rowAt(offset: number): number {
    return Math.max(0, upperBound(this.#starts, offset) - 1);
  }

  #lineAt(row: number): number {
    return upperBound(this.#lines, row);
  }
}

/** Where the next row begins: never between the halves of a character outside the basic plane. */
function nextRow(text: string, start: number, columns: number): number {
  const end = start + columns;
  const code = text.charCodeAt(end);
  return code >= 0xdc00 && code <= 0xdfff ? end + 1 : end;
}

/** How many of the sorted values are at most `limit`. */
function upperBound(sorted: Uint32Array, limit: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
