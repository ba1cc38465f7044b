/** The beginning of an id that is the time in milliseconds. Shorter, it would be the same for all ids of a minute. */
export function shortId(id: string): string {
  return id.slice(0, 13);
}
