import { formatNumber } from "@/ui/format/numbers";

/** Texts of the graph of a pipeline. */
export const strings = {
  label: "Graph of the pipeline",
  hint: "Use the arrow keys to move from step to step, and Enter to go to a step.",
  outdated: "The text cannot be read at present. This is its last graph.",
  unreadable: "The graph appears when the text can be read as a pipeline with steps.",
  failed: "The graph could not be drawn",
  failedText: "Reload the page. The text of the pipeline shows the same steps.",
  zoomIn: "Zoom in",
  zoomOut: "Zoom out",
  fit: "Show the whole graph",
  end: "End",
  fromTo: (from: string, to: string) => `From ${from} to ${to}`,
  only: "if",
  forEach: "for each",
  moreJumps: (count: number) => `${count} more`,
  goesTo: "goes to ",
  branches: (count: number) => `${count} ${count === 1 ? "branch" : "branches"}`,
  items: "once for each item",
  branch: (title: string) => (title === "" ? "Sequence" : title),
  notStarted: "Not started",
  times: (count: number) => `${formatNumber(count)} times`,
  ofItems: (ended: number, total: number) =>
    `${formatNumber(ended)} of ${formatNumber(total)} ended`,
  failedItems: (count: number) => `${formatNumber(count)} failed`,
} as const;
