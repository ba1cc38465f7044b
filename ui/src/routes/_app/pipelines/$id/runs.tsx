import { createFileRoute, redirect } from "@tanstack/react-router";

/** The runs of a pipeline are the list of runs with a filter. */
export const Route = createFileRoute("/_app/pipelines/$id/runs")({
  beforeLoad: ({ params }) => {
    throw redirect({ to: "/runs", search: { pipeline: params.id }, replace: true });
  },
});
