/**
 * The texts that a field has sent and that are still on their way to the address, after the address has changed to `value`.
 * Null: it has changed without the field, for example by Back.
 */
export function stillSent(sent: readonly string[], value: string): readonly string[] | null {
  const index = sent.indexOf(value);
  return index === -1 ? null : sent.slice(index + 1);
}
