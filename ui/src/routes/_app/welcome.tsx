import { createFileRoute } from "@tanstack/react-router";
import { examplesQuery } from "@/api/pipelines";
import { WelcomePage } from "@/features/welcome/WelcomePage";

export const Route = createFileRoute("/_app/welcome")({
  loader: ({ context }) => context.queryClient.ensureQueryData(examplesQuery),
  component: WelcomePage,
});
