import { createFileRoute } from "@tanstack/react-router";
import { schedulesQuery } from "@/api/schedules";
import { SchedulesPage } from "@/features/schedules/SchedulesPage";
import { filterOf, readSchedulesSearch } from "@/features/schedules/search";

export const Route = createFileRoute("/_app/schedules/")({
  validateSearch: readSchedulesSearch,
  loaderDeps: ({ search }) => filterOf(search),
  loader: ({ context: { queryClient }, deps }) =>
    queryClient.ensureInfiniteQueryData(schedulesQuery(deps)),
  component: SchedulesRoute,
});

function SchedulesRoute() {
  return <SchedulesPage search={Route.useSearch()} />;
}
