import type { ScheduleFilter } from "@/api/schedules";
import { readChoice, readText } from "@/ui/table/filters";

const STATES = ["enabled", "disabled"] as const;

/** Search parameters of the list: its filters, the schedule whose details are shown, and the form for a new one. */
export type SchedulesSearch = {
  pipeline?: string;
  state?: (typeof STATES)[number];
  schedule?: string;
  create?: true;
};

export function readSchedulesSearch(search: Record<string, unknown>): SchedulesSearch {
  return {
    pipeline: readText(search.pipeline),
    state: readChoice(search.state, STATES),
    schedule: readText(search.schedule),
    create: search.create === true || undefined,
  };
}

export function filterOf({ pipeline, state }: SchedulesSearch): ScheduleFilter {
  return { pipeline_id: pipeline, enabled: state === undefined ? undefined : state === "enabled" };
}
