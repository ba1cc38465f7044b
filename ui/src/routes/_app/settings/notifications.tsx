import { createFileRoute } from "@tanstack/react-router";
import { recipientsQuery } from "@/api/recipients";
import { NotificationsPage } from "@/features/settings/NotificationsPage";

export const Route = createFileRoute("/_app/settings/notifications")({
  codeSplitGroupings: [["loader", "component"]],
  loader: ({ context }) => context.queryClient.ensureInfiniteQueryData(recipientsQuery),
  component: NotificationsPage,
});
