import { Button, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useSuspenseInfiniteQuery, useSuspenseQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Plus, Search, Workflow } from "lucide-react";
import { lazy, Suspense, useRef, useState } from "react";
import { useCan } from "@/api/access";
import { draftsQuery } from "@/api/drafts";
import { type Pausable, pipelinesQuery } from "@/api/pipelines";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { useKeys } from "@/ui/keys/useKeys";
import { PageHeader } from "@/ui/PageHeader";
import { DataTable } from "@/ui/table/DataTable";
import { FilterChips } from "@/ui/table/FilterChips";
import type { FilterDefinition, FilterValues } from "@/ui/table/filters";
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
  -H "Authorization: Bearer $STEPIQ_API_KEY" \\
  -H "Content-Type: application/yaml" \\
  --data-binary @pipeline.yaml`;

export function PipelineList({ search }: { search: ListSearch }) {
  const filter = filterOf(search);
  const pages = useSuspenseInfiniteQuery(pipelinesQuery(filter));
  const { data: drafts } = useSuspenseQuery(draftsQuery);
  const [pausing, setPausing] = useState<Pausable | null>(null);
  const navigate = useNavigate();
  const rows = listRows(
    pages.data.pages.flatMap((page) => page.data),
    drafts,
    filter,
  );
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
        <SearchField value={search.q ?? ""} onChange={(q) => change({ q: q || undefined })} />
      </FilterChips>
      {rows.length > 0 ? (
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
      ) : (
        <NoRows search={search} />
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

/** Typing searches after a short pause. The key `/` moves here. */
function SearchField({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [text, setText] = useState(value);
  const [applied, setApplied] = useState(value);
  const input = useRef<HTMLInputElement>(null);
  const apply = useDebouncedCallback((next: string) => {
    setApplied(next);
    onChange(next);
  }, 250);
  // The address has changed otherwise, such as by the Back button.
  if (value !== applied) {
    setApplied(value);
    setText(value);
  }
  useKeys("Pipelines", [{ key: "/", label: strings.search, run: () => input.current?.focus() }]);
  return (
    <TextInput
      ref={input}
      type="search"
      className={classes.search}
      aria-label={strings.search}
      placeholder={strings.search}
      leftSection={<Search size={16} aria-hidden />}
      value={text}
      onChange={(event) => {
        setText(event.currentTarget.value);
        apply(event.currentTarget.value.trim());
      }}
    />
  );
}
