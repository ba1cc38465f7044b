import { createFileRoute } from "@tanstack/react-router";
import { modelsQuery, providersQuery } from "@/api/models";
import { ModelsPage } from "@/features/settings/ModelsPage";
import { readText } from "@/ui/table/filters";

export const Route = createFileRoute("/_app/settings/models")({
  codeSplitGroupings: [["loader", "component"]],
  validateSearch: (search: Record<string, unknown>): { q?: string } => ({ q: readText(search.q) }),
  loader: ({ context: { queryClient } }) =>
    Promise.all([
      queryClient.ensureQueryData(modelsQuery),
      queryClient.ensureQueryData(providersQuery),
    ]),
  component: ModelsPage,
});
