import { Button } from "@mantine/core";
import { Link, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { useCan } from "@/api/access";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TableSkeleton } from "@/ui/feedback/Skeletons";
import { toast } from "@/ui/feedback/toast";
import { PageHeader } from "@/ui/PageHeader";
import { DataTable } from "@/ui/table/DataTable";
import { FilterChips } from "@/ui/table/FilterChips";
import type { FilterValues } from "@/ui/table/filters";
import { SearchField } from "@/ui/table/SearchField";
import classes from "./Runs.module.css";
import { RunsToolbar } from "./RunsToolbar";
import { chipValues, filterOf, type RunsSearch, searchAfter } from "./search";
import { strings } from "./strings";
import { useRunColumns } from "./useRunColumns";
import { useRunFilters } from "./useRunFilters";
import { useRunList } from "./useRunList";
import { useRunSelection } from "./useRunSelection";

const NoRuns = lazy(() => import("./NoRuns"));

export function RunsPage({ search }: { search: RunsSearch }) {
  const navigate = useNavigate({ from: "/runs/" });
  const filter = filterOf(search);
  const { query, more, showWaiting } = useRunList(filter);
  const { columns, setShown } = useRunColumns();
  const list = query.data;
  const canExecute = useCan("pipelines:execute");
  const rows = list?.rows ?? [];
  const filters = useRunFilters(search, rows);
  const {
    selection,
    target,
    selectAll,
    clear: clearSelection,
  } = useRunSelection(rows, filter, list?.next !== null);
  const change = (changes: FilterValues, isNewPlace = true) =>
    void navigate({ search: searchAfter(search, changes), replace: !isNewPlace });
  const clear = () => void navigate({ search: {} });
  const loadMore = () =>
    more.mutate(undefined, { onError: (error) => toast.failure(strings.notLoaded, error) });
  const moreButton = (label: string) => (
    <Button variant="default" onClick={loadMore} loading={more.isPending}>
      {label}
    </Button>
  );

  return (
    <>
      <PageHeader
        title={strings.title}
        actions={
          <Button
            variant="subtle"
            color="gray"
            renderRoot={(props) => <Link to="/jobs" {...props} />}
          >
            {strings.jobs}
          </Button>
        }
      />
      <FilterChips filters={filters} values={chipValues(search)} onChange={change}>
        <SearchField
          title={strings.title}
          label={strings.search}
          placeholder={strings.searchHint}
          className={classes.search}
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
        <Suspense fallback={null}>
          <NoRuns
            search={search}
            onClear={clear}
            older={list.next !== null && moreButton(strings.searchOlder)}
          />
        </Suspense>
      )}
      {list && !query.isError && rows.length > 0 && (
        <div className={classes.list} aria-busy={query.isPlaceholderData}>
          <RunsToolbar
            list={list}
            filter={filter}
            onShowWaiting={showWaiting}
            target={target}
            onSelectAll={selectAll}
            onClear={clearSelection}
            shown={columns.map(({ id }) => id)}
            onShownChange={setShown}
          />
          <DataTable
            label={strings.title}
            columns={columns}
            rows={rows}
            rowId={({ id }) => id}
            onOpen={({ id }) => void navigate({ to: "/runs/$runId", params: { runId: id } })}
            selection={canExecute ? selection : undefined}
            hasKeys
            footer={list.next !== null && moreButton(strings.loadMore)}
          />
        </div>
      )}
    </>
  );
}
