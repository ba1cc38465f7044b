/** The part that differs, so that the cursor and the marks of the rest remain. */
export function changeBetween(before: string, after: string) {
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && before[start] === after[start]) start++;
  let end = 0;
  while (end < most - start && before[before.length - 1 - end] === after[after.length - 1 - end])
    end++;
  return { from: start, to: before.length - end, insert: after.slice(start, after.length - end) };
}
