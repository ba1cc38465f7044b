import type { BulkItemStatus } from "@/api/bulkJobs";
import { readChoice } from "@/ui/table/filters";

export const ITEM_STATUSES = [
  "pending",
  "done",
  "failed",
] as const satisfies readonly BulkItemStatus[];

/** The items of a job that its page shows. */
export type JobSearch = { items?: BulkItemStatus };

export function readJobSearch(search: Record<string, unknown>): JobSearch {
  return { items: readChoice(search.items, ITEM_STATUSES) };
}
