import { readText } from "@/ui/table/filters";

export type DocsSearch = { q?: string };

export function readDocsSearch(search: Record<string, unknown>): DocsSearch {
  return { q: readText(search.q) };
}
