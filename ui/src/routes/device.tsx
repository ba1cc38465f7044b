import { createFileRoute, redirect } from "@tanstack/react-router";
import { sessionQuery } from "@/api/session";
import { DevicePage } from "@/features/deviceLogin/DevicePage";
import { readCode } from "@/features/deviceLogin/search";

export const Route = createFileRoute("/device")({
  validateSearch: readCode,
  beforeLoad: async ({ context, location }) => {
    const session = await context.queryClient.ensureQueryData(sessionQuery);
    if (session === null) throw redirect({ to: "/login", search: { next: location.href } });
  },
  component: DeviceRoute,
});

function DeviceRoute() {
  return <DevicePage {...Route.useSearch()} />;
}
