import { ScrollText } from "lucide-react";
import { lazy, Suspense } from "react";
import type { AuditEntry } from "@/api/audit";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { TextSkeleton } from "@/ui/feedback/Skeletons";
import { DataTable } from "@/ui/table/DataTable";
import { FilterChips } from "@/ui/table/FilterChips";
import { type FilterDefinition, type FilterValues, valuesOf } from "@/ui/table/filters";
import { PageButtons } from "@/ui/table/PageButtons";
import classes from "./Audit.module.css";
import { actorText, auditColumns } from "./columns";
import { ACTIONS, actionsOf } from "./filter";
import type { AuditSearch } from "./search";
import { strings } from "./strings";

const EntryDetail = lazy(() => import("./EntryDetail"));

type Props = {
  page: { data: AuditEntry[]; next_cursor: string | null };
  search: AuditSearch;
  onSearch: (search: AuditSearch) => void;
  /** The log of all workspaces. */
  ofServer?: boolean;
};

/** The filters, the table and the details of the entry in the address. */
export function AuditLog({ page, search, onSearch, ofServer = false }: Props) {
  const { cursor, entry: shownId, ...filter } = search;
  const shown = page.data.find(({ id }) => id === shownId);
  const action = actionsOf(search);
  const isFiltered = Object.values({ ...filter, action }).some((value) => value !== undefined);
  return (
    <>
      <FilterChips
        filters={filtersOf(page.data)}
        values={{ ...filter, action }}
        onChange={(changes) => onSearch(withFilters(filter, changes))}
      />
      {page.data.length === 0 ? (
        <EmptyState title={isFiltered ? strings.emptyFiltered : strings.empty} icon={ScrollText}>
          {!isFiltered && strings.emptyText}
        </EmptyState>
      ) : (
        <div className={classes.layout} data-open={shown !== undefined}>
          <DataTable
            label={strings.title}
            columns={auditColumns(search, ofServer)}
            rows={page.data}
            rowId={(entry) => entry.id}
            selectedId={shown?.id}
            hasKeys
            onOpen={(entry) => onSearch({ ...search, entry: entry.id })}
            footer={
              <PageButtons
                cursor={cursor}
                next={page.next_cursor}
                onShow={(other) => onSearch({ ...search, cursor: other, entry: undefined })}
              />
            }
          />
          {shown && (
            <Suspense fallback={<TextSkeleton lines={8} />}>
              <EntryDetail
                entry={shown}
                onClose={() => onSearch({ ...search, entry: undefined })}
                onFilter={onSearch}
              />
            </Suspense>
          )}
        </div>
      )}
    </>
  );
}

/** The search with changed filters, from its first page. */
function withFilters(search: AuditSearch, changes: FilterValues): AuditSearch {
  const { action: _, ...others } = changes;
  const next: AuditSearch = { ...search, ...others, cursor: undefined, entry: undefined };
  if ("action" in changes) next.action = valuesOf(changes, "action").join(",") || undefined;
  return next;
}

function filtersOf(entries: readonly AuditEntry[]): FilterDefinition[] {
  const actors = new Map(
    entries.flatMap((entry) => (entry.actor.id ? [[entry.actor.id, actorText(entry)]] : [])),
  );
  return [
    {
      id: "action",
      label: strings.action,
      kind: "choice",
      options: ACTIONS.map((value) => ({ value, label: strings.actions[value] })),
    },
    {
      id: "actor",
      label: strings.actor,
      kind: "choice",
      isSingle: true,
      options: [...actors].map(([value, label]) => ({ value, label })),
    },
    { id: "target", label: strings.target, kind: "text", placeholder: strings.targetHint },
    { id: "from", label: strings.from, kind: "time" },
    { id: "to", label: strings.to, kind: "time" },
  ];
}
