import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, everyPage, unwrap } from "./client";
import { ApiError } from "./errors";
import type { components } from "./schema";

export type DraftView = components["schemas"]["Draft"];
export type DraftSummary = components["schemas"]["DraftSummary"];
/** What a request to save found instead of the version that it replaces. */
export type CurrentVersion = { version: number; text: string };

/** Drafts of the signed-in person, the last changed first. */
export const draftsQuery = queryOptions({
  queryKey: ["drafts"],
  queryFn: async ({ signal }) =>
    (await everyPage((query) => api.GET("/api/drafts", { params: { query }, signal }))).data,
});

/** Reserves an id for a new pipeline. */
export function useCreateDraft() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (text: string) =>
      unwrap(api.POST("/api/drafts", { body: { text, format: "yaml" } })),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ["drafts"] }),
  });
}

const of = (id: string) => ({ path: { pipeline_id: id } });

/** The person's draft of a pipeline, or null. */
export async function findDraft(id: string): Promise<DraftView | null> {
  const { data, next_cursor } = await unwrap(
    api.GET("/api/drafts", { params: { query: { limit: 100 } } }),
  );
  // Most pipelines have none, and browsers report each 404 as an error of the page.
  if (next_cursor === null && !data.some(({ pipeline_id }) => pipeline_id === id)) return null;
  try {
    return await unwrap(api.GET("/api/pipelines/{pipeline_id}/draft", { params: of(id) }));
  } catch (error) {
    if (error instanceof ApiError && error.code === "draft_not_found") return null;
    throw error;
  }
}

/** The drafts that other members have of a pipeline. */
export async function readOtherDrafts(id: string): Promise<DraftView["others"]> {
  const call = api.GET("/api/pipelines/{pipeline_id}/draft/others", { params: of(id) });
  return (await unwrap(call)).data;
}

export function writeDraft(
  id: string,
  body: { text: string; base_version: number | null; revision: string | null },
): Promise<DraftView> {
  return unwrap(
    api.PUT("/api/pipelines/{pipeline_id}/draft", {
      params: of(id),
      body: { ...body, format: "yaml" },
    }),
  );
}

export function deleteDraft(id: string, revision: string | null) {
  const query = revision === null ? {} : { revision };
  return unwrap(api.DELETE("/api/pipelines/{pipeline_id}/draft", { params: { ...of(id), query } }));
}

/** A text as the body of a request. An empty one is sent as a line break, so that the answer is about the definition. */
export function yamlBody(text: unknown): string {
  return (text as string) || "\n";
}

const AS_YAML = { headers: { Accept: "application/yaml" }, parseAs: "text" } as const;

/** The text of a version. Versions that were saved as JSON are shown as YAML. */
export async function readVersionText(id: string, version: number): Promise<string> {
  const params = { path: { pipeline_id: id, number: version } };
  const call = api.GET("/api/pipelines/{pipeline_id}/versions/{number}", { params, ...AS_YAML });
  return (await unwrap(call)) as unknown as string;
}

/** The newest version with its number. */
export async function readCurrentText(id: string): Promise<{ version: number; text: string }> {
  const call = api.GET("/api/pipelines/{pipeline_id}", { params: of(id), ...AS_YAML });
  const { data, response } = await call;
  const version = Number(/v(\d+)/.exec(response.headers.get("ETag") ?? "")?.[1]);
  return { version, text: data as unknown as string };
}

/** Saves a version. `replaces`: the version that the text comes from, null for a new pipeline. */
export async function saveVersion(
  id: string,
  text: string,
  replaces: number | null,
  draftRevision: string | null,
) {
  const query = draftRevision === null ? {} : { draft_revision: draftRevision };
  const header = { "If-Match": `"v${replaces ?? 0}"` };
  return unwrap(
    api.PUT("/api/pipelines/{pipeline_id}", {
      params: { ...of(id), query, header },
      body: text as never,
      bodySerializer: yamlBody,
      headers: { "Content-Type": "application/yaml" },
    }),
  );
}
