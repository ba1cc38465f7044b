import {
  infiniteQueryOptions,
  queryOptions,
  useMutation,
  useQueryClient,
} from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type Delivery = Schemas["Delivery"];
export type Attempt = Delivery["attempts"][number];
export type AttemptRequest = Schemas["AttemptRequest"];
export type DeliveryStatus = Schemas["DeliveryStatus"];

const PAGE = 50;
const PENDING_MS = 1500;
const LIST_MS = 10_000;

function isPending({ status }: Delivery): boolean {
  return status === "pending";
}

/** While a delivery is pending, it is read again soon. */
function interval(deliveries: readonly Delivery[], otherwise: number | false) {
  return deliveries.some(isPending) ? PENDING_MS : otherwise;
}

export function runDeliveriesQuery(runId: string) {
  return queryOptions({
    queryKey: ["deliveries", "run", runId],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/runs/{run_id}/deliveries", {
          params: { path: { run_id: runId }, query: { limit: 100 } },
          signal,
        }),
      ),
    refetchInterval: ({ state }) => interval(state.data?.data ?? [], false),
  });
}

export function pipelineDeliveriesQuery(pipelineId: string, status: DeliveryStatus | undefined) {
  return infiniteQueryOptions({
    queryKey: ["deliveries", "pipeline", pipelineId, status ?? "all"],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/pipelines/{pipeline_id}/deliveries", {
          params: {
            path: { pipeline_id: pipelineId },
            query: { status, limit: PAGE, cursor: pageParam },
          },
          signal,
        }),
      ),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: ({ state }) =>
      interval(state.data?.pages.flatMap(({ data }) => data) ?? [], LIST_MS),
  });
}

export function deliveryQuery(deliveryId: string) {
  return queryOptions({
    queryKey: ["deliveries", "one", deliveryId],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/deliveries/{delivery_id}", {
          params: { path: { delivery_id: deliveryId } },
          signal,
        }),
      ),
    refetchInterval: ({ state }) => interval(state.data ? [state.data] : [], false),
  });
}

/** The request of an attempt. It never changes. */
export function attemptRequestQuery(deliveryId: string, number: number) {
  return queryOptions({
    queryKey: ["delivery-request", deliveryId, number],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/deliveries/{delivery_id}/attempts/{number}/request", {
          params: { path: { delivery_id: deliveryId, number } },
          signal,
        }),
      ),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
}

export function useRedeliver() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (deliveryId: string) =>
      unwrap(
        api.POST("/api/deliveries/{delivery_id}/redeliver", {
          params: { path: { delivery_id: deliveryId } },
        }),
      ),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ["deliveries"] }),
  });
}

/** Sends a test event to all webhook and email targets of the pipeline. */
export function useSendTest(pipelineId: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: () =>
      unwrap(
        api.POST("/api/pipelines/{pipeline_id}/deliveries/test", {
          params: { path: { pipeline_id: pipelineId } },
        }),
      ),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ["deliveries"] }),
  });
}
