import { Button } from "@mantine/core";
import { useQuery, useSuspenseInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { CalendarClock, Plus } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useCan } from "@/api/access";
import { pipelineOptionsQuery } from "@/api/filterOptions";
import { type Schedule, schedulesQuery } from "@/api/schedules";
import { EmptyState } from "@/ui/feedback/EmptyState";
import { TableSkeleton, TextSkeleton } from "@/ui/feedback/Skeletons";
import { useKeys } from "@/ui/keys/useKeys";
import { PageHeader } from "@/ui/PageHeader";
import { DataTable } from "@/ui/table/DataTable";
import { FilterChips } from "@/ui/table/FilterChips";
import type { FilterDefinition } from "@/ui/table/filters";
import { COLUMNS } from "./columns";
import { DeleteSchedule } from "./DeleteSchedule";
import classes from "./Schedules.module.css";
import { filterOf, readSchedulesSearch, type SchedulesSearch } from "./search";
import { strings } from "./strings";
import { ViewSwitch } from "./ViewSwitch";

const ScheduleForm = lazy(() => import("./ScheduleForm"));
const SchedulePanel = lazy(() => import("./SchedulePanel"));
const WeekView = lazy(() => import("./week/WeekView"));

const CURL = `curl -X POST ${window.location.origin}/api/pipelines/$PIPELINE/schedules \\
  -H "X-API-Key: $STEPIQ_API_KEY" -H "Content-Type: application/json" \\
  -d '{"name": "Weekdays", "cron_expression": "0 9 * * 1-5", "timezone": "Europe/Berlin"}'`;

export function SchedulesPage({ search }: { search: SchedulesSearch }) {
  const pages = useSuspenseInfiniteQuery(schedulesQuery(filterOf(search)));
  const isWeek = search.view === "week";
  const isOpen = search.schedule !== undefined || (isWeek && search.at !== undefined);
  const filters = useFilters(isWeek);
  const [dialog, setDialog] = useState<{ kind: "edit" | "delete"; schedule: Schedule } | null>(
    null,
  );
  const navigate = useNavigate();
  const rows = pages.data.pages.flatMap((page) => page.data);
  const change = (changes: object) =>
    void navigate({ to: "/schedules", search: readSchedulesSearch({ ...search, ...changes }) });
  const show = (schedule: string | undefined) => change({ schedule, create: undefined });
  const create = () => change({ create: true });
  const close = () => setDialog(null);
  const canWrite = useCan("pipelines:write");
  useKeys("Schedules", canWrite ? [{ key: "c", label: strings.create, run: create }] : []);
  return (
    <>
      <PageHeader
        title={strings.schedules}
        actions={
          canWrite && (
            <Button leftSection={<Plus size={16} aria-hidden />} onClick={create}>
              {strings.create}
            </Button>
          )
        }
      />
      <div className={classes.toolbar}>
        <FilterChips
          filters={filters}
          values={{ pipeline: search.pipeline, state: search.state }}
          onChange={change}
        />
        <ViewSwitch search={search} />
      </div>
      <div className={classes.layout} data-open={isOpen}>
        {rows.length > 0 && isWeek && (
          <Suspense fallback={<TableSkeleton columns={8} rows={24} />}>
            <WeekView search={search} onChange={change} hasPanel={search.schedule !== undefined} />
          </Suspense>
        )}
        {rows.length > 0 && !isWeek && (
          <DataTable
            label={strings.schedules}
            columns={COLUMNS}
            rows={rows}
            rowId={({ id }) => id}
            selectedId={search.schedule}
            onOpen={({ id }) => show(id)}
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
        )}
        {rows.length === 0 && (
          <NoSchedules
            search={search}
            onClear={() => change({ pipeline: undefined, state: undefined })}
          />
        )}
        {search.schedule !== undefined && (
          <Suspense fallback={<TextSkeleton lines={8} />}>
            <SchedulePanel
              key={search.schedule}
              id={search.schedule}
              isPaused={rows.some(({ id, is_paused }) => id === search.schedule && is_paused)}
              onClose={() => show(undefined)}
              onEdit={(schedule) => setDialog({ kind: "edit", schedule })}
              onDelete={(schedule) => setDialog({ kind: "delete", schedule })}
            />
          </Suspense>
        )}
      </div>
      <Suspense>
        {search.create && canWrite && (
          <ScheduleForm
            pipelineId={search.pipeline}
            onClose={() => change({ create: undefined })}
            onSaved={show}
          />
        )}
        {dialog?.kind === "edit" && (
          <ScheduleForm schedule={dialog.schedule} onClose={close} onSaved={close} />
        )}
      </Suspense>
      {dialog?.kind === "delete" && (
        <DeleteSchedule
          schedule={dialog.schedule}
          onClose={close}
          onDeleted={() => {
            close();
            show(undefined);
          }}
        />
      )}
    </>
  );
}

/** The week has only enabled schedules. */
function useFilters(isWeek: boolean): readonly FilterDefinition[] {
  const { data: options = [] } = useQuery(pipelineOptionsQuery);
  const pipeline: FilterDefinition = {
    id: "pipeline",
    label: strings.pipeline,
    kind: "choice",
    isSingle: true,
    options,
  };
  if (isWeek) return [pipeline];
  return [
    pipeline,
    {
      id: "state",
      label: strings.state,
      kind: "choice",
      isSingle: true,
      options: [
        { value: "enabled", label: strings.enabled },
        { value: "disabled", label: strings.disabled },
      ],
    },
  ];
}

function NoSchedules({ search, onClear }: { search: SchedulesSearch; onClear: () => void }) {
  if (search.pipeline !== undefined || search.state !== undefined) {
    return (
      <EmptyState
        title={strings.noMatch}
        actions={
          <Button variant="default" onClick={onClear}>
            {strings.clear}
          </Button>
        }
      >
        {strings.noMatchText}
      </EmptyState>
    );
  }
  return (
    <EmptyState title={strings.empty} icon={CalendarClock} example={CURL}>
      {strings.emptyText}
    </EmptyState>
  );
}
