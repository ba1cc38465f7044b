/** Search parameters with which the server returns after a failed sign-in. */
export type FailureSearch = { failure?: string; provider?: string };

export function readFailure(search: Record<string, unknown>): FailureSearch {
  const { failure, provider } = search;
  if (typeof failure !== "string") return {};
  return typeof provider === "string" ? { failure, provider } : { failure };
}
