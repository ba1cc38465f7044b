import { createFileRoute } from "@tanstack/react-router";
import { EditorPage } from "@/features/editor/EditorPage";
import { readEditorSearch } from "@/features/editor/editorSearch";

export const Route = createFileRoute("/_app/pipelines/$id/edit")({
  validateSearch: readEditorSearch,
  component: EditRoute,
});

function EditRoute() {
  const { id } = Route.useParams();
  return <EditorPage key={id} id={id} search={Route.useSearch()} />;
}
