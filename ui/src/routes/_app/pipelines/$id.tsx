import { createFileRoute, redirect } from "@tanstack/react-router";
import { pipelineIdOf, savedPipelineQuery } from "@/api/pipelines";
import { PipelineFrame } from "@/features/pipelines/PipelineFrame";

/** The frame of all pages of a pipeline: its name and the links to its pages. An address can name it by its slug. */
export const Route = createFileRoute("/_app/pipelines/$id")({
  beforeLoad: async ({ context: { queryClient }, params, location }) => {
    const id = await pipelineIdOf(queryClient, params.id);
    if (id === params.id) return;
    const href = location.href.replace(/^\/pipelines\/[^/?#]+/, `/pipelines/${id}`);
    throw redirect({ href, replace: true });
  },
  loader: ({ context: { queryClient }, params }) =>
    queryClient.ensureQueryData(savedPipelineQuery(params.id)),
  component: PipelineRoute,
});

function PipelineRoute() {
  return <PipelineFrame id={Route.useParams().id} />;
}
