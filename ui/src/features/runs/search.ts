import { isId } from "@/api/ids";
import type { RunFilter, RunStatus, TriggerType } from "@/api/runs";
import { type FilterValues, readChoice, readList, readText } from "@/ui/table/filters";

export const STATUSES = [
  "pending",
  "running",
  "waiting",
  "completed",
  "failed",
  "cancelled",
] as const satisfies readonly RunStatus[];
export const TRIGGERS = [
  "manual",
  "api",
  "cron",
  "webhook",
  "retry",
] as const satisfies readonly TriggerType[];

/** The filters of the list, as its URL has them. */
export type RunsSearch = {
  q?: string;
  /** Statuses, separated by commas. */
  status?: string;
  /** The id of a pipeline. Addresses can name its slug. */
  pipeline?: string;
  /** Only together with a pipeline. */
  version?: number;
  trigger?: TriggerType;
  after?: string;
  before?: string;
  tag?: string;
  error?: string;
  caller?: string;
  /** Only runs that completed although steps failed. */
  failures?: true;
};

function statusesOf(status: string | undefined): RunStatus[] | undefined {
  return readList(status?.split(","), STATUSES);
}

function readTime(value: unknown): string | undefined {
  const text = readText(value);
  return text === undefined || Number.isNaN(Date.parse(text)) ? undefined : text;
}

function readId(value: unknown): string | undefined {
  const text = readText(value);
  return text !== undefined && isId(text) ? text : undefined;
}

export function readRunsSearch(search: Record<string, unknown>): RunsSearch {
  const given = Array.isArray(search.status) ? search.status.join(",") : readText(search.status);
  const pipeline = readText(search.pipeline);
  const version = Number(search.version);
  return {
    q: readText(search.q),
    status: statusesOf(given)?.join(","),
    pipeline,
    version: pipeline && Number.isInteger(version) && version > 0 ? version : undefined,
    trigger: readChoice(search.trigger, TRIGGERS),
    after: readTime(search.after),
    before: readTime(search.before),
    tag: readText(search.tag),
    error: readText(search.error),
    caller: readId(search.caller),
    failures: search.failures === true || search.failures === "true" ? true : undefined,
  };
}

/** The same filters as the API has them. */
export function filterOf(search: RunsSearch): RunFilter {
  return {
    q: search.q,
    status: statusesOf(search.status),
    pipeline_id: search.pipeline,
    version: search.version,
    trigger_type: search.trigger,
    created_after: search.after,
    created_before: search.before,
    tag: search.tag,
    error_code: search.error,
    caller_id: search.caller,
    with_failures: search.failures,
  };
}

export function hasFilter(search: RunsSearch): boolean {
  return Object.values(search).some((value) => value !== undefined);
}

/** The values of the chips. */
export function chipValues(search: RunsSearch): FilterValues {
  const { version, status, failures, ...others } = search;
  return {
    ...others,
    status: statusesOf(status),
    version: version?.toString(),
    failures: failures?.toString(),
  };
}

/** The search parameters after chips have changed. */
export function searchAfter(search: RunsSearch, changes: FilterValues): RunsSearch {
  return readRunsSearch({ ...chipValues(search), ...changes });
}
