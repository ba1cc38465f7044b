import { createFileRoute, redirect } from "@tanstack/react-router";
import { withPipelineId } from "@/api/pipelines";
import { schedulesQuery } from "@/api/schedules";
import { SchedulesPage } from "@/features/schedules/SchedulesPage";
import { filterOf, readSchedulesSearch } from "@/features/schedules/search";

export const Route = createFileRoute("/_app/schedules/")({
  validateSearch: readSchedulesSearch,
  beforeLoad: async ({ context: { queryClient }, search }) => {
    const byId = await withPipelineId(queryClient, search);
    if (byId !== null) throw redirect({ to: "/schedules", search: byId, replace: true });
  },
  loaderDeps: ({ search }) => filterOf(search),
  loader: ({ context: { queryClient }, deps }) =>
    queryClient.ensureInfiniteQueryData(schedulesQuery(deps)),
  component: SchedulesRoute,
});

function SchedulesRoute() {
  return <SchedulesPage search={Route.useSearch()} />;
}
