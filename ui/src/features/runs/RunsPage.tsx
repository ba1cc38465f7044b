import { Button } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { ArrowUp } from "lucide-react";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TableSkeleton } from "@/ui/feedback/Skeletons";
import { toast } from "@/ui/feedback/toast";
import { PageHeader } from "@/ui/PageHeader";
import { ColumnPicker } from "@/ui/table/ColumnPicker";
import { DataTable } from "@/ui/table/DataTable";
import { FilterChips } from "@/ui/table/FilterChips";
import type { FilterValues } from "@/ui/table/filters";
import { NoRuns } from "./NoRuns";
import classes from "./Runs.module.css";
import { RUN_COLUMNS } from "./runColumns";
import { SearchField } from "./SearchField";
import { chipValues, filterOf, type RunsSearch, searchAfter } from "./search";
import { strings } from "./strings";
import { useRunColumns } from "./useRunColumns";
import { useRunFilters } from "./useRunFilters";
import { useRunList } from "./useRunList";

const PICKED = RUN_COLUMNS.filter(({ id }) => id !== "pipeline").map(({ id }) => ({
  id,
  label: strings.columns[id],
}));

export function RunsPage({ search }: { search: RunsSearch }) {
  const navigate = useNavigate({ from: "/runs/" });
  const { query, more, showWaiting } = useRunList(filterOf(search));
  const { columns, setShown } = useRunColumns();
  const list = query.data;
  const rows = list?.rows ?? [];
  const filters = useRunFilters(search, rows);
  const change = (changes: FilterValues, isNewPlace = true) =>
    void navigate({ search: searchAfter(search, changes), replace: !isNewPlace });
  const clear = () => void navigate({ search: {} });
  const loadMore = () => {
    if (!list?.next) return;
    more.mutate(list.next, { onError: (error) => toast.failure(strings.notLoaded, error) });
  };
  const moreButton = (label: string) => (
    <Button variant="default" onClick={loadMore} loading={more.isPending}>
      {label}
    </Button>
  );

  return (
    <>
      <PageHeader title={strings.title} />
      <FilterChips filters={filters} values={chipValues(search)} onChange={change}>
        <SearchField
          value={search.q ?? ""}
          onChange={(text) => change({ q: text || undefined }, false)}
        />
      </FilterChips>
      {query.isPending && <TableSkeleton columns={columns.length} />}
      {query.isError && (
        <ErrorState
          error={query.error}
          title={strings.failed}
          onRetry={() => void query.refetch()}
        />
      )}
      {list && !query.isError && rows.length === 0 && (
        <NoRuns
          search={search}
          onClear={clear}
          older={list.next !== null && moreButton(strings.searchOlder)}
        />
      )}
      {list && !query.isError && rows.length > 0 && (
        <div className={classes.list} aria-busy={query.isPlaceholderData}>
          <div className={classes.toolbar}>
            <span className={classes.count}>{strings.shown(rows.length, list.next === null)}</span>
            <div aria-live="polite">
              {list.waiting.length > 0 && (
                <Button
                  variant="light"
                  leftSection={<ArrowUp size={16} aria-hidden />}
                  onClick={showWaiting}
                >
                  {strings.newRuns(list.waiting.length)}
                </Button>
              )}
            </div>
            <div className={classes.end}>
              <ColumnPicker
                columns={PICKED}
                shown={columns.map(({ id }) => id)}
                onChange={setShown}
              />
            </div>
          </div>
          <DataTable
            label={strings.title}
            columns={columns}
            rows={rows}
            rowId={({ id }) => id}
            onOpen={({ id }) => void navigate({ to: "/runs/$runId", params: { runId: id } })}
            hasKeys
            footer={list.next !== null && moreButton(strings.loadMore)}
          />
        </div>
      )}
    </>
  );
}
