import { createFileRoute } from "@tanstack/react-router";
import { pipelineDeliveriesQuery } from "@/api/deliveries";
import { PipelineDeliveries } from "@/features/deliveries/PipelineDeliveries";
import { readDeliveriesSearch } from "@/features/deliveries/search";

export const Route = createFileRoute("/_app/pipelines/$id/deliveries")({
  validateSearch: readDeliveriesSearch,
  loaderDeps: ({ search: { status } }) => ({ status }),
  loader: ({ context: { queryClient }, params, deps }) =>
    queryClient.ensureInfiniteQueryData(pipelineDeliveriesQuery(params.id, deps.status)),
  component: DeliveriesRoute,
});

function DeliveriesRoute() {
  return <PipelineDeliveries id={Route.useParams().id} search={Route.useSearch()} />;
}
