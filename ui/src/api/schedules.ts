import {
  infiniteQueryOptions,
  keepPreviousData,
  queryOptions,
  useMutation,
  useQueryClient,
} from "@tanstack/react-query";
import { api, unwrap } from "./client";
import { jsonText, memberText } from "./jsonText";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type Schedule = Schemas["Schedule"];
export type ListedSchedule = Schemas["ListedSchedule"];
export type Firing = Schemas["Firing"];
export type Preview = Schemas["Preview"];
export type HourlyRuns = Schemas["HourlyRuns"];
export type Tick = Schemas["Tick"];
export type NewSchedule = Schemas["ScheduleRequest"];
export type ScheduleChanges = Schemas["SchedulePatch"];
export type ScheduleFilter = { pipeline_id?: string; enabled?: boolean };

const PAGE = 50;
const TICKS = 20;
/** New ticks and next times appear without a reload. */
const REFRESH_MS = 15_000;
const DENSITY_REFRESH_MS = 60_000;

export const schedulesQuery = (filter: ScheduleFilter) =>
  infiniteQueryOptions({
    queryKey: ["schedules", "list", filter],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => {
      const query = { ...filter, limit: PAGE, cursor: pageParam };
      return unwrap(api.GET("/api/schedules", { params: { query }, signal }));
    },
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: REFRESH_MS,
  });

/** How many runs are due in each hour from `start`, in milliseconds. */
export const densityQuery = (start: number, hours: number, pipelineId: string | undefined) =>
  queryOptions({
    queryKey: ["schedules", "density", start, hours, pipelineId],
    queryFn: ({ signal }) => {
      const query = { from: new Date(start).toISOString(), hours, pipeline_id: pipelineId };
      return unwrap(api.GET("/api/schedules/density", { params: { query }, signal }));
    },
    refetchInterval: DENSITY_REFRESH_MS,
  });

export const scheduleQuery = (id: string) =>
  queryOptions({
    queryKey: ["schedules", "one", id],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/schedules/{schedule_id}", { params: { path: { schedule_id: id } }, signal }),
      ),
  });

/** The input of a schedule as JSON, with all digits of its numbers, read anew by each form. */
export const scheduleInputQuery = (id: string) =>
  queryOptions({
    queryKey: ["schedules", "input", id],
    queryFn: async ({ signal }) => {
      const params = { path: { schedule_id: id } };
      const call = api.GET("/api/schedules/{schedule_id}", { params, parseAs: "text", signal });
      return memberText(await unwrap(call), "input_data");
    },
    gcTime: 0,
  });

export const ticksQuery = (id: string) =>
  queryOptions({
    queryKey: ["schedules", "ticks", id],
    queryFn: async ({ signal }) => {
      const params = { path: { schedule_id: id }, query: { limit: TICKS } };
      const call = api.GET("/api/schedules/{schedule_id}/ticks", { params, signal });
      return (await unwrap(call)).data;
    },
    refetchInterval: REFRESH_MS,
  });

/** When an expression fires next, without storing a schedule. */
export const previewQuery = (expression: string, timezone: string) =>
  queryOptions({
    queryKey: ["schedules", "preview", expression, timezone],
    queryFn: ({ signal }) =>
      unwrap(
        api.POST("/api/schedules/preview", {
          body: { cron_expression: expression, timezone, count: 5 },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
    retry: false,
  });

function useChangedSchedules() {
  const queryClient = useQueryClient();
  return () =>
    Promise.all([
      queryClient.invalidateQueries({ queryKey: ["schedules"] }),
      queryClient.invalidateQueries({ queryKey: ["pipelines"] }),
    ]);
}

/** `inputText`: the input as JSON. */
type Creation = { pipelineId: string; body: NewSchedule; inputText: string };
type Change = { id: string; body: ScheduleChanges; inputText?: string };

function withInput(body: object, inputText: string | undefined): string {
  return jsonText(body, inputText === undefined ? {} : { input_data: inputText });
}

export function useCreateSchedule() {
  return useMutation({
    mutationFn: ({ pipelineId, body, inputText }: Creation) =>
      unwrap(
        api.POST("/api/pipelines/{pipeline_id}/schedules", {
          params: { path: { pipeline_id: pipelineId } },
          body,
          bodySerializer: (others) => withInput(others, inputText),
        }),
      ),
    onSuccess: useChangedSchedules(),
  });
}

export function useChangeSchedule() {
  return useMutation({
    mutationFn: ({ id, body, inputText }: Change) =>
      unwrap(
        api.PATCH("/api/schedules/{schedule_id}", {
          params: { path: { schedule_id: id } },
          body,
          bodySerializer: (others) => withInput(others, inputText),
        }),
      ),
    onSuccess: useChangedSchedules(),
  });
}

/** Starts a run with the schedule's input. */
export function useRunScheduleNow() {
  return useMutation({
    mutationFn: (id: string) =>
      unwrap(
        api.POST("/api/schedules/{schedule_id}/run-now", { params: { path: { schedule_id: id } } }),
      ),
    onSuccess: useChangedSchedules(),
  });
}

export function useDeleteSchedule() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) =>
      unwrap(api.DELETE("/api/schedules/{schedule_id}", { params: { path: { schedule_id: id } } })),
    // The queries of the deleted schedule itself would fail.
    onSuccess: () =>
      Promise.all([
        queryClient.invalidateQueries({ queryKey: ["schedules", "list"] }),
        queryClient.invalidateQueries({ queryKey: ["pipelines"] }),
      ]),
  });
}
