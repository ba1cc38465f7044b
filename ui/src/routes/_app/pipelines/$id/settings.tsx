import { createFileRoute } from "@tanstack/react-router";
import { missingSecretsQuery, pipelineSecretsQuery } from "@/api/secrets";
import { PipelineSettings } from "@/features/pipelineSettings/PipelineSettings";

export const Route = createFileRoute("/_app/pipelines/$id/settings")({
  loader: ({ context: { queryClient }, params: { id } }) =>
    Promise.all([
      queryClient.ensureQueryData(pipelineSecretsQuery(id)),
      queryClient.ensureQueryData(missingSecretsQuery(id)),
    ]),
  component: SettingsRoute,
});

function SettingsRoute() {
  const { id } = Route.useParams();
  return <PipelineSettings key={id} id={id} />;
}
