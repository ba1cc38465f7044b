import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import { keysQuery } from "./keys";
import type { Example } from "./pipelines";
import { startRun } from "./testRuns";

/** Whether the account has neither runs nor pipelines. */
export const isNewAccountQuery = queryOptions({
  queryKey: ["is-new-account"],
  queryFn: async ({ signal }) => {
    const query = { limit: 1 };
    const [runs, pipelines] = await Promise.all([
      unwrap(
        api.GET("/api/runs", { params: { query: { ...query, include_data: false } }, signal }),
      ),
      unwrap(api.GET("/api/pipelines", { params: { query }, signal })),
    ]);
    return runs.data.length === 0 && pipelines.data.length === 0;
  },
  staleTime: 0,
});

/** The id of the pipeline of an example, which is created if the account has none with its name. */
async function pipelineOf(example: Example): Promise<string> {
  const known = await unwrap(
    api.GET("/api/pipelines", {
      params: { query: { q: example.name, limit: 100, include_definition: false } },
    }),
  );
  const same = known.data.find(({ name }) => name === example.name);
  if (same !== undefined) return same.id;
  const created = await unwrap(
    api.POST("/api/pipelines", {
      body: example.source as never,
      bodySerializer: (body) => body as unknown as string,
      headers: { "Content-Type": "application/yaml" },
    }),
  );
  return created.id;
}

/** Creates the pipeline of an example, if necessary, and runs it with the example's input. */
export function useRunExample() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: async (example: Example) => startRun(await pipelineOf(example), example.input_data),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ["pipelines"] }),
  });
}

/** Creates the pipeline of an example, if necessary, and a key that can run it. */
export function useFirstKey() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: async ({ example, name }: { example: Example; name: string }) => {
      const pipelineId = await pipelineOf(example);
      const scopes = ["pipelines:read" as const, "pipelines:execute" as const];
      const { key } = await unwrap(api.POST("/api/user/api-keys", { body: { name, scopes } }));
      return { key, pipelineId };
    },
    onSuccess: () => {
      void queryClient.invalidateQueries({ queryKey: ["pipelines"] });
      void queryClient.invalidateQueries({ queryKey: keysQuery.queryKey });
    },
  });
}
