import type { DraftSummary } from "@/api/drafts";
import type { ListedPipeline } from "@/api/pipelines";

/** A row of the list: a pipeline, or a draft of one that is not saved yet. */
export type Row =
  | { kind: "pipeline"; id: string; pipeline: ListedPipeline; hasDraft: boolean }
  | { kind: "draft"; id: string; draft: DraftSummary };

/** Drafts of new pipelines come first. They have no tags, and only their name can match a search. */
export function listRows(
  pipelines: readonly ListedPipeline[],
  drafts: readonly DraftSummary[],
  filter: { q?: string; tag?: string; status?: string },
): Row[] {
  const wanted = filter.q?.toLocaleLowerCase() ?? "";
  const fresh = drafts.filter(
    ({ is_new, name }) => is_new && (name ?? "").toLocaleLowerCase().includes(wanted),
  );
  const showsDrafts = filter.tag === undefined && (filter.status ?? "active") === "active";
  const edited = new Set(
    drafts.filter((draft) => !draft.is_new).map(({ pipeline_id }) => pipeline_id),
  );
  return [
    ...(showsDrafts ? fresh : []).map(
      (draft): Row => ({ kind: "draft", id: draft.pipeline_id, draft }),
    ),
    ...pipelines.map(
      (pipeline): Row => ({
        kind: "pipeline",
        id: pipeline.id,
        pipeline,
        hasDraft: edited.has(pipeline.id),
      }),
    ),
  ];
}
