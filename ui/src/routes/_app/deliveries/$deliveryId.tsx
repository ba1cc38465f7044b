import { createFileRoute } from "@tanstack/react-router";
import { deliveryQuery } from "@/api/deliveries";
import { DeliveryPage } from "@/features/deliveries/DeliveryPage";
import { readDeliverySearch } from "@/features/deliveries/search";

export const Route = createFileRoute("/_app/deliveries/$deliveryId")({
  codeSplitGroupings: [["loader", "component"]],
  validateSearch: readDeliverySearch,
  loader: ({ context: { queryClient }, params }) =>
    queryClient.ensureQueryData(deliveryQuery(params.deliveryId)),
  component: DeliveryRoute,
});

function DeliveryRoute() {
  const { deliveryId } = Route.useParams();
  return <DeliveryPage key={deliveryId} deliveryId={deliveryId} search={Route.useSearch()} />;
}
