import type { PipelineFilter } from "@/api/pipelines";
import { readChoice, readText } from "@/ui/table/filters";

const STATUSES = ["active", "paused", "archived"] as const;
const SOURCES = ["blank", "example", "file", "paste"] as const;
export type Source = (typeof SOURCES)[number];

/** Search parameters of the list: its filters, and the dialog that creates a pipeline. */
export type ListSearch = PipelineFilter & { create?: Source; example?: string };

export function readListSearch(search: Record<string, unknown>): ListSearch {
  return {
    q: readText(search.q),
    tag: readText(search.tag),
    status: readChoice(search.status, STATUSES),
    create: readChoice(search.create, SOURCES),
    example: readText(search.example),
  };
}

export function filterOf({ q, tag, status }: ListSearch): PipelineFilter {
  return { q, tag, status };
}
