/** A random id. `crypto.randomUUID` exists only on pages from https or from this machine. */
export function randomId(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}
