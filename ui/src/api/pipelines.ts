import {
  infiniteQueryOptions,
  type QueryClient,
  queryOptions,
  useMutation,
  useQueryClient,
} from "@tanstack/react-query";
import { api, unwrap } from "./client";
import { draftsQuery, yamlBody } from "./drafts";
import { ApiError } from "./errors";
import { isId } from "./ids";
import type { components } from "./schema";

export type Pipeline = components["schemas"]["Pipeline"];
export type ListedPipeline = components["schemas"]["ListedPipeline"];
export type Example = components["schemas"]["Example"];
export type Issue = components["schemas"]["Issue"];
export type Validation = components["schemas"]["Validation"];
export type Pause = components["schemas"]["Pause"];
/** What is needed to pause or resume a pipeline. */
export type Pausable = Pick<ListedPipeline, "id" | "name" | "status">;
type PipelineStatus = components["schemas"]["PipelineStatus"];
export type PipelineChanges = components["schemas"]["PipelinePatch"];
export type PipelineFilter = { q?: string; tag?: string; status?: PipelineStatus };

const PAGE = 50;

export const pipelinesQuery = (filter: PipelineFilter) =>
  infiniteQueryOptions({
    queryKey: ["pipelines", "list", filter],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) => {
      const shown = { include: "stats", include_definition: false } as const;
      const query = { ...filter, ...shown, limit: PAGE, cursor: pageParam };
      return unwrap(api.GET("/api/pipelines", { params: { query }, signal }));
    },
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

/** A pipeline, or null if only a draft has this id. */
export const savedPipelineQuery = (id: string) =>
  queryOptions({
    queryKey: ["pipelines", "one", id],
    queryFn: async ({ signal, client }): Promise<Pipeline | null> => {
      const drafts = await client.fetchQuery(draftsQuery);
      if (drafts.some(({ pipeline_id, is_new }) => pipeline_id === id && is_new)) return null;
      const params = { path: { pipeline_id: id } };
      const call = api.GET("/api/pipelines/{pipeline_id}", { params, signal });
      return (await unwrap(call)) as Pipeline;
    },
  });

/** The id of a pipeline that an address names by its id or its slug. */
export async function pipelineIdOf(client: QueryClient, name: string): Promise<string> {
  if (isId(name)) return name;
  const params = { path: { pipeline_id: name } };
  const queryFn = async () => {
    const { id } = (await unwrap(api.GET("/api/pipelines/{pipeline_id}", { params }))) as Pipeline;
    return id;
  };
  return client.fetchQuery({ queryKey: ["pipelines", "slug", name], queryFn });
}

/** Search parameters with the id of their pipeline in place of its slug. Null: they need no change. */
export async function withPipelineId<Search extends { pipeline?: string }>(
  client: QueryClient,
  search: Search,
): Promise<Search | null> {
  if (search.pipeline === undefined) return null;
  const pipeline = await pipelineIdOf(client, search.pipeline);
  return pipeline === search.pipeline ? null : { ...search, pipeline };
}

function useChangedPipelines() {
  const queryClient = useQueryClient();
  // Archiving ends schedules, pausing suspends them, and secrets of archived pipelines are not missing.
  return () =>
    Promise.all(
      ["pipelines", "schedules", "secrets"].map((name) =>
        queryClient.invalidateQueries({ queryKey: [name] }),
      ),
    );
}

/** Changes name, description or tags without a new version. */
export function useChangePipeline(id: string) {
  return useMutation({
    mutationFn: (body: PipelineChanges) =>
      unwrap(
        api.PATCH("/api/pipelines/{pipeline_id}", { params: { path: { pipeline_id: id } }, body }),
      ),
    onSuccess: useChangedPipelines(),
  });
}

/** Pauses a pipeline, or resumes it with null. */
export function usePausePipeline(id: string) {
  const params = { path: { pipeline_id: id } };
  return useMutation({
    mutationFn: (body: components["schemas"]["PauseRequest"] | null) =>
      body === null
        ? unwrap(api.POST("/api/pipelines/{pipeline_id}/resume", { params }))
        : unwrap(api.POST("/api/pipelines/{pipeline_id}/pause", { params, body })),
    onSuccess: useChangedPipelines(),
  });
}

/** Archives a pipeline, or restores an archived one. */
export function useArchivePipeline(id: string) {
  const params = { path: { pipeline_id: id } };
  return useMutation({
    mutationFn: async (isArchived: boolean) => {
      if (isArchived) await unwrap(api.DELETE("/api/pipelines/{pipeline_id}", { params }));
      else await unwrap(api.POST("/api/pipelines/{pipeline_id}/restore", { params }));
    },
    onSuccess: useChangedPipelines(),
  });
}

export const examplesQuery = queryOptions({
  queryKey: ["examples"],
  queryFn: async ({ signal }) => (await unwrap(api.GET("/api/examples", { signal }))).data,
  staleTime: Number.POSITIVE_INFINITY,
});

/** The problems of a text, without saving it. */
export async function validateText(text: string, signal: AbortSignal): Promise<Validation> {
  try {
    return await unwrap(
      api.POST("/api/pipelines/validate", {
        body: text as never,
        bodySerializer: yamlBody,
        headers: { "Content-Type": "application/yaml" },
        signal,
      }),
    );
  } catch (error) {
    // A text that cannot be read as YAML has no definition to validate.
    if (error instanceof ApiError && error.issues.length > 0) {
      return { valid: false, errors: error.issues, warnings: [] };
    }
    throw error;
  }
}

/** The JSON Schema of the language. */
export const schemaQuery = queryOptions({
  queryKey: ["language-schema"],
  queryFn: async ({ signal }) => {
    const { data } = await api.GET("/api/schema/pipeline.json", { parseAs: "json", signal });
    return data as unknown as Record<string, unknown>;
  },
  staleTime: Number.POSITIVE_INFINITY,
});

/** Ids of the models that runs can use. */
export const modelsQuery = queryOptions({
  queryKey: ["models"],
  queryFn: async ({ signal }) => (await unwrap(api.GET("/api/models", { signal }))).data,
  staleTime: 60_000,
});
