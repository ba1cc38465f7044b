/** Larger texts are shown as removed and added as a whole. */
const MAX_LINES = 2000;

/** Both texts as one, whose changed lines begin with "- " and "+ ". Null if they are the same. */
export function changedLines(before: string, after: string): string | null {
  if (before === after) return null;
  const [old, now] = [before.split("\n"), after.split("\n")];
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let end = 0;
  while (
    end < Math.min(old.length, now.length) - start &&
    old[old.length - 1 - end] === now[now.length - 1 - end]
  ) {
    end += 1;
  }
  const middle = middleLines(
    old.slice(start, old.length - end),
    now.slice(start, now.length - end),
  );
  const same = (lines: string[]) => lines.map((line) => `  ${line}`);
  return [...same(old.slice(0, start)), ...middle, ...same(old.slice(old.length - end))].join("\n");
}

/** The longest common subsequence keeps as many lines as possible. */
function middleLines(old: string[], now: string[]): string[] {
  if (old.length > MAX_LINES || now.length > MAX_LINES) {
    return [...old.map((line) => `- ${line}`), ...now.map((line) => `+ ${line}`)];
  }
  const width = now.length + 1;
  const common = new Uint16Array((old.length + 1) * width);
  const at = (row: number, column: number) => common[row * width + column] ?? 0;
  for (let row = old.length - 1; row >= 0; row -= 1) {
    for (let column = now.length - 1; column >= 0; column -= 1) {
      common[row * width + column] =
        old[row] === now[column]
          ? at(row + 1, column + 1) + 1
          : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  const lines: string[] = [];
  let [row, column] = [0, 0];
  while (row < old.length || column < now.length) {
    if (row < old.length && column < now.length && old[row] === now[column]) {
      lines.push(`  ${old[row]}`);
      row += 1;
      column += 1;
    } else if (
      column >= now.length ||
      (row < old.length && at(row + 1, column) >= at(row, column + 1))
    ) {
      lines.push(`- ${old[row]}`);
      row += 1;
    } else {
      lines.push(`+ ${now[column]}`);
      column += 1;
    }
  }
  return lines;
}
