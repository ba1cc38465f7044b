import { createFileRoute } from "@tanstack/react-router";
import { missingSecretsQuery, secretsQuery } from "@/api/secrets";
import { SecretsPage } from "@/features/settings/SecretsPage";

export const Route = createFileRoute("/_app/settings/secrets")({
  loader: ({ context: { queryClient } }) =>
    Promise.all([
      queryClient.ensureQueryData(secretsQuery),
      queryClient.ensureQueryData(missingSecretsQuery()),
    ]),
  component: SecretsPage,
});
