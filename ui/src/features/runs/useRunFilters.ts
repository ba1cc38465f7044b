import { useQuery } from "@tanstack/react-query";
import { callersQuery, type NamedOption, pipelineOptionsQuery } from "@/api/filterOptions";
import type { Run } from "@/api/runs";
import { useUser } from "@/api/session";
import type { FilterDefinition } from "@/ui/table/filters";
import { type RunsSearch, STATUSES, TRIGGERS } from "./search";
import { strings } from "./strings";

function withNames(known: readonly NamedOption[], more: Iterable<NamedOption>): NamedOption[] {
  const labels = new Map(known.map(({ value, label }) => [value, label]));
  for (const { value, label } of more) if (!labels.has(value)) labels.set(value, label);
  return [...labels].map(([value, label]) => ({ value, label }));
}

/** The filters of the list. Those of pipelines and callers offer what the account has, and what the rows name. */
export function useRunFilters(search: RunsSearch, rows: readonly Run[]): FilterDefinition[] {
  const user = useUser();
  const { data: pipelines = [] } = useQuery(pipelineOptionsQuery);
  const { data: known } = useQuery(callersQuery);
  const callers: NamedOption[] = [
    { value: user.id, label: strings.you },
    ...(known?.members ?? [])
      .filter(({ id }) => id !== user.id)
      .map(({ id, name }) => ({ value: id, label: name })),
    ...(known?.keys ?? []).map(({ id, name }) => ({ value: id, label: strings.apiKey(name) })),
    ...(known?.schedules ?? []).map(({ id, name }) => ({
      value: id,
      label: strings.schedule(name),
    })),
  ];
  const others = (known?.others ?? []).map(({ id, name }) => ({
    value: id,
    label: name ?? strings.deletedCaller(id),
  }));
  const statuses = STATUSES.map((value) => ({ value, label: strings.statuses[value] }));
  const triggers = TRIGGERS.map((value) => ({ value, label: strings.triggers[value] }));
  const pipelinesOfRows = rows.map((run) => ({ value: run.pipeline_id, label: run.pipeline_name }));
  const callersOfRows = rows.flatMap(({ caller }) =>
    caller?.id && caller.name ? [{ value: caller.id, label: caller.name }] : [],
  );
  const version: FilterDefinition = { id: "version", label: strings.versionFilter, kind: "text" };
  return [
    { id: "status", label: strings.columns.status, kind: "choice", options: statuses },
    {
      id: "failures",
      label: strings.failures,
      kind: "choice",
      isSingle: true,
      options: [{ value: "true", label: strings.withFailures }],
    },
    {
      id: "pipeline",
      label: strings.pipeline,
      kind: "choice",
      isSingle: true,
      options: withNames(pipelines, pipelinesOfRows),
    },
    ...(search.pipeline === undefined ? [] : [version]),
    {
      id: "trigger",
      label: strings.columns.trigger,
      kind: "choice",
      isSingle: true,
      options: triggers,
    },
    { id: "after", label: strings.after, kind: "time" },
    { id: "before", label: strings.before, kind: "time" },
    { id: "tag", label: strings.tag, kind: "text" },
    { id: "error", label: strings.errorCode, kind: "text", placeholder: "step_timeout" },
    {
      id: "caller",
      label: strings.caller,
      kind: "choice",
      isSingle: true,
      options: withNames(callers, [...callersOfRows, ...others]),
    },
  ];
}
