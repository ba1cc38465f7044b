import { createFileRoute } from "@tanstack/react-router";
import { docsQuery } from "@/api/docs";
import { DocsPage } from "@/features/docs/DocsPage";
import { readDocsSearch } from "@/features/docs/search";

export const Route = createFileRoute("/_app/docs/")({
  codeSplitGroupings: [["loader", "component"]],
  validateSearch: readDocsSearch,
  loader: ({ context: { queryClient } }) => queryClient.ensureQueryData(docsQuery("/docs")),
  component: () => <DocsPage path="/docs" search={Route.useSearch()} />,
});
