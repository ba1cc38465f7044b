import { createFileRoute } from "@tanstack/react-router";
import { usageQuery } from "@/api/usage";
import { periodOf, readUsageSearch } from "@/features/usage/search";
import { UsagePage } from "@/features/usage/UsagePage";

export const Route = createFileRoute("/_app/usage")({
  codeSplitGroupings: [["loader", "component"]],
  validateSearch: readUsageSearch,
  loaderDeps: ({ search }) => search,
  loader: ({ context: { queryClient }, deps }) =>
    queryClient.ensureQueryData(usageQuery(periodOf(deps, Date.now()), deps.by ?? "model")),
  component: UsagePage,
});
