/** Texts of the versions of a pipeline. */
export const strings = {
  versions: "Versions",
  version: "Version",
  author: "Author",
  you: "You",
  saved: "Saved",
  runs: "Runs",
  actions: "Actions",
  newest: "newest",
  restore: "Restore",
  more: "Show more",
  compare: "Compare",
  from: "From version",
  to: "to version",
  changes: "Changed fields",
  noChanges: "The versions have the same fields.",
  text: "Text",
  sameText: "The versions have the same text.",
  allLines: "Show unchanged lines",
  onlyOne: "This pipeline has one version. Save a change to compare versions.",
  ops: { add: "Added", remove: "Removed", replace: "Changed", move: "Moved" },
  restoreText:
    "Its text becomes a new version, which new runs use. The versions in between and unsaved changes remain.",
} as const;

export function unchangedText(lines: number): string {
  return lines === 1 ? "1 unchanged line" : `${lines} unchanged lines`;
}
