import {
  infiniteQueryOptions,
  queryOptions,
  useMutation,
  useQueryClient,
} from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type BulkJob = Schemas["BulkJob"];
export type BulkItem = Schemas["BulkItem"];
export type BulkItemStatus = Schemas["BulkItemStatus"];
export type BulkRequest = Schemas["BulkRequest"];

const POLL_MS = 1000;
const PER_PAGE = 100;

export function isOver({ status }: BulkJob): boolean {
  return status === "completed" || status === "cancelled";
}

/** A job. It is read each second until it ends. */
export function bulkJobQuery(jobId: string) {
  return queryOptions({
    queryKey: ["bulk-jobs", "one", jobId],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/bulk-jobs/{job_id}", { params: { path: { job_id: jobId } }, signal })),
    refetchInterval: ({ state }) => (state.data && isOver(state.data) ? false : POLL_MS),
  });
}

/** The runs of a job. */
export function bulkItemsQuery(jobId: string, status: BulkItemStatus | undefined) {
  return infiniteQueryOptions({
    queryKey: ["bulk-jobs", "items", jobId, status],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/bulk-jobs/{job_id}/items", {
          params: {
            path: { job_id: jobId },
            query: { status, limit: PER_PAGE, cursor: pageParam },
          },
          signal,
        }),
      ),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
}

export const bulkJobsQuery = infiniteQueryOptions({
  queryKey: ["bulk-jobs", "list"],
  initialPageParam: undefined as string | undefined,
  queryFn: ({ pageParam, signal }) =>
    unwrap(
      api.GET("/api/bulk-jobs", { params: { query: { limit: 50, cursor: pageParam } }, signal }),
    ),
  getNextPageParam: (page) => page.next_cursor ?? undefined,
  refetchInterval: ({ state }) =>
    state.data?.pages.some(({ data }) => data.some((job) => !isOver(job))) ? POLL_MS * 2 : false,
});

export function useCreateBulkJob() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (body: BulkRequest) => unwrap(api.POST("/api/bulk-jobs", { body })),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ["bulk-jobs", "list"] }),
  });
}

export function useCancelBulkJob(jobId: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: () =>
      unwrap(api.POST("/api/bulk-jobs/{job_id}/cancel", { params: { path: { job_id: jobId } } })),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ["bulk-jobs"] }),
  });
}
