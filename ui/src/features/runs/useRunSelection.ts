import { useState } from "react";
import type { Run, RunFilter } from "@/api/runs";
import type { TableSelection } from "@/ui/table/selection";
import type { BulkTarget } from "./bulk/bulkRequest";
import { strings } from "./strings";

const NONE: ReadonlySet<string> = new Set();

/** The runs that are selected for an action: rows, or all runs that match the filter. Another filter selects none. */
export function useRunSelection(rows: readonly Run[], filter: RunFilter, hasMore: boolean) {
  const [ids, setIds] = useState(NONE);
  const [isAll, setAll] = useState(false);
  const filterKey = JSON.stringify(filter);
  const [knownKey, setKnownKey] = useState(filterKey);
  const runs = rows.filter(({ id }) => ids.has(id));
  const change = (next: ReadonlySet<string>) => {
    setIds(next);
    setAll(false);
  };
  if (filterKey !== knownKey) {
    setKnownKey(filterKey);
    change(NONE);
  }
  const selection: TableSelection<Run> = {
    ids,
    onChange: change,
    nameOf: ({ pipeline_name, status }) => strings.nameOf(pipeline_name, status),
  };
  let target: BulkTarget | null = null;
  if (runs.length > 0) target = isAll ? { kind: "filter", filter } : { kind: "rows", runs };
  const canSelectAll = hasMore && !isAll && runs.length === rows.length;
  return {
    selection,
    target,
    selectAll: canSelectAll ? () => setAll(true) : undefined,
    clear: () => change(NONE),
  };
}
