import { queryOptions, useMutation } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import type { components } from "./schema";

export type Model = components["schemas"]["Model"];
export type Provider = components["schemas"]["Provider"];

export const modelsQuery = queryOptions({
  queryKey: ["models"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/models", { signal })),
});

export const providersQuery = queryOptions({
  queryKey: ["models", "providers"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/models/providers", { signal })),
});

/** Runs a prompt as a draft pipeline with one step, so that limits, credits and masking apply. Returns the run. */
export function useTryPrompt() {
  return useMutation({
    mutationFn: ({ model, prompt }: { model: string; prompt: string }) => {
      const text = JSON.stringify({
        name: `Try ${model}`,
        steps: [{ id: "answer", model, prompt }],
      });
      return unwrap(api.POST("/api/runs/draft", { body: { text, format: "json" } }));
    },
  });
}
