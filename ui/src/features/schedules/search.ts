import type { ScheduleFilter } from "@/api/schedules";
import { readChoice, readText } from "@/ui/table/filters";

const VIEWS = ["week"] as const;
const STATES = ["enabled", "disabled"] as const;

/** Search parameters of the list: its filters, the schedule whose details are shown, and the form for a new one. */
export type SchedulesSearch = {
  pipeline?: string;
  state?: (typeof STATES)[number];
  schedule?: string;
  create?: true;
  /** The list, without it. */
  view?: (typeof VIEWS)[number];
  /** The first day of the week that is shown, such as "2026-03-29". Without it, today. */
  from?: string;
  /** The start of the hour whose schedules are listed. */
  at?: string;
};

export function readSchedulesSearch(search: Record<string, unknown>): SchedulesSearch {
  return {
    pipeline: readText(search.pipeline),
    state: readChoice(search.state, STATES),
    schedule: readText(search.schedule),
    create: search.create === true || undefined,
    view: readChoice(search.view, VIEWS),
    from: readText(search.from),
    at: readInstant(search.at),
  };
}

export function filterOf({ pipeline, state }: SchedulesSearch): ScheduleFilter {
  return { pipeline_id: pipeline, enabled: state === undefined ? undefined : state === "enabled" };
}

function readInstant(value: unknown): string | undefined {
  const text = readText(value);
  return text === undefined || Number.isNaN(Date.parse(text)) ? undefined : text;
}
