/** Search parameters of the versions: the two that are compared. Default: the newest and the one before it. */
export type VersionsSearch = { before?: number; after?: number };

function readVersion(value: unknown): number | undefined {
  const version = Number(value);
  return Number.isInteger(version) && version > 0 ? version : undefined;
}

export function readVersionsSearch(search: Record<string, unknown>): VersionsSearch {
  return { before: readVersion(search.before), after: readVersion(search.after) };
}

/** The versions to compare, out of those that exist, newest first. Null: there is only one. */
export function comparedVersions(
  { before, after }: VersionsSearch,
  versions: readonly number[],
): { before: number; after: number } | null {
  const newer = after ?? versions[0];
  if (newer === undefined) return null;
  const older = before ?? versions.find((version) => version < newer);
  return older === undefined ? null : { before: older, after: newer };
}
