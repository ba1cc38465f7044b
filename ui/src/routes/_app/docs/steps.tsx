import { createFileRoute } from "@tanstack/react-router";
import { docsQuery } from "@/api/docs";
import { DocsPage } from "@/features/docs/DocsPage";
import { readDocsSearch } from "@/features/docs/search";

export const Route = createFileRoute("/_app/docs/steps")({
  codeSplitGroupings: [["loader", "component"]],
  validateSearch: readDocsSearch,
  loader: ({ context: { queryClient } }) => queryClient.ensureQueryData(docsQuery("/docs/steps")),
  component: () => <DocsPage path="/docs/steps" search={Route.useSearch()} />,
});
