import { createFileRoute } from "@tanstack/react-router";
import { savedPipelineQuery } from "@/api/pipelines";
import { PipelineFrame } from "@/features/pipelines/PipelineFrame";

/** The frame of all pages of a pipeline: its name and the links to its pages. */
export const Route = createFileRoute("/_app/pipelines/$id")({
  loader: ({ context: { queryClient }, params }) =>
    queryClient.ensureQueryData(savedPipelineQuery(params.id)),
  component: PipelineRoute,
});

function PipelineRoute() {
  return <PipelineFrame id={Route.useParams().id} />;
}
