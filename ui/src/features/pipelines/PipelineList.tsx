import { Button } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery, useSuspenseQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Plus, Workflow } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useCan } from "@/api/access";
import { draftsQuery } from "@/api/drafts";
import { type Pausable, pipelinesQuery } from "@/api/pipelines";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { ErrorState } from "@/ui/feedback/ErrorState";
import { TableSkeleton } from "@/ui/feedback/Skeletons";
import { useKeys } from "@/ui/keys/useKeys";
import { PageHeader } from "@/ui/PageHeader";
import { DataTable } from "@/ui/table/DataTable";
import { FilterChips } from "@/ui/table/FilterChips";
import type { FilterDefinition, FilterValues } from "@/ui/table/filters";
import { SearchField } from "@/ui/table/SearchField";
import { columnsFor } from "./columns";
import { filterOf, type ListSearch } from "./listSearch";
import classes from "./PipelineList.module.css";
import { listRows } from "./rows";
import { strings } from "./strings";

const CreateDialog = lazy(() => import("./CreateDialog"));
const PauseDialog = lazy(() => import("@/features/pausing/PauseDialog"));

const FILTERS: readonly FilterDefinition[] = [
  {
    id: "status",
    label: strings.state,
    kind: "choice",
    isSingle: true,
    options: [
      { value: "active", label: strings.active },
      { value: "paused", label: strings.paused },
      { value: "archived", label: strings.archived },
    ],
  },
  { id: "tag", label: strings.tag, kind: "text" },
];

const CURL = `curl -X POST ${window.location.origin}/api/pipelines \\
  -H "X-API-Key: $STEPIQ_API_KEY" \\
  -H "Content-Type: application/yaml" \\
  --data-binary @pipeline.yaml`;

export function PipelineList({ search }: { search: ListSearch }) {
  const filter = filterOf(search);
  const pages = useInfiniteQuery({ ...pipelinesQuery(filter), placeholderData: keepPreviousData });
  const { data: drafts } = useSuspenseQuery(draftsQuery);
  const [pausing, setPausing] = useState<Pausable | null>(null);
  const navigate = useNavigate();
  // While another filter loads, the rows are those of the earlier one.
  const isLoading = pages.isPending || pages.isPlaceholderData;
  const rows = listRows(pages.data?.pages.flatMap((page) => page.data) ?? [], drafts, filter);
  const change = (changes: FilterValues) =>
    void navigate({ to: "/pipelines", search: { ...search, ...changes } as ListSearch });
  const create = () => void navigate({ to: "/pipelines", search: { ...search, create: "blank" } });
  const canWrite = useCan("pipelines:write");
  useKeys("Pipelines", canWrite ? [{ key: "c", label: strings.create, run: create }] : []);
  return (
    <>
      <PageHeader
        title={strings.pipelines}
        actions={
          canWrite && (
            <Button leftSection={<Plus size={16} aria-hidden />} onClick={create}>
              {strings.create}
            </Button>
          )
        }
      />
      <FilterChips filters={FILTERS} values={filter} onChange={change}>
        <SearchField
          title="Pipelines"
          label={strings.search}
          placeholder={strings.search}
          className={classes.search}
          value={search.q ?? ""}
          onChange={(q) => change({ q: q || undefined })}
        />
      </FilterChips>
      {isLoading && rows.length === 0 && <TableSkeleton columns={8} />}
      {pages.isLoadingError && (
        <ErrorState
          error={pages.error}
          title={strings.listFailed}
          onRetry={() => void pages.refetch()}
        />
      )}
      {pages.data && !isLoading && rows.length === 0 && <NoRows search={search} />}
      {pages.data && rows.length > 0 && (
        <div aria-busy={isLoading}>
          <DataTable
            label={strings.pipelines}
            columns={columnsFor(rows, canWrite ? setPausing : null)}
            rows={rows}
            rowId={({ id }) => id}
            onOpen={({ id }) => void navigate({ to: "/pipelines/$id/edit", params: { id } })}
            hasKeys
            footer={
              pages.hasNextPage && (
                <Button
                  variant="subtle"
                  loading={pages.isFetchingNextPage}
                  onClick={() => void pages.fetchNextPage()}
                >
                  {strings.more}
                </Button>
              )
            }
          />
        </div>
      )}
      <Suspense>
        {search.create !== undefined && canWrite && <CreateDialog search={search} />}
        {pausing !== null && <PauseDialog pipeline={pausing} onClose={() => setPausing(null)} />}
      </Suspense>
    </>
  );
}

function NoRows({ search: { q, tag, status } }: { search: ListSearch }) {
  const canWrite = useCan("pipelines:write");
  if (q !== undefined || tag !== undefined) {
    return <EmptyState title={strings.noneFound}>{strings.noneFoundText}</EmptyState>;
  }
  if (status === "archived") return <EmptyState title={strings.noneArchived} />;
  if (status === "paused") return <EmptyState title={strings.nonePaused} />;
  return (
    <EmptyState
      title={strings.emptyTitle}
      icon={Workflow}
      example={CURL}
      actions={
        canWrite && (
          <Button
            renderRoot={(props) => (
              <Link to="/pipelines" search={{ create: "example" }} {...props} />
            )}
          >
            {strings.fromExample}
          </Button>
        )
      }
    >
      {strings.emptyText}
    </EmptyState>
  );
}
