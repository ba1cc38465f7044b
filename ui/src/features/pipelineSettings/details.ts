import type { Pipeline, PipelineChanges } from "@/api/pipelines";

/** The fields of the form. Tags are lines. */
export type Details = { name: string; description: string; tags: string };

export function detailsOf({ name, description, tags }: Pipeline): Details {
  return { name, description, tags: tags.join("\n") };
}

function tagsOf(lines: string): string[] {
  const tags = lines.split("\n").map((line) => line.trim());
  return [...new Set(tags.filter(Boolean))];
}

/** The changes to send; null without any. */
export function changedDetails(stored: Details, shown: Details): PipelineChanges | null {
  const changes: PipelineChanges = {};
  if (shown.name.trim() !== stored.name) changes.name = shown.name.trim();
  if (shown.description !== stored.description) changes.description = shown.description;
  const tags = tagsOf(shown.tags);
  if (tags.join("\n") !== stored.tags) changes.tags = tags;
  return Object.keys(changes).length > 0 ? changes : null;
}

/** Paths of the errors about tags: the list, or single tags such as "tags[2]". */
export function tagPaths(errors: Readonly<Record<string, string>>): string[] {
  return Object.keys(errors).filter((path) => /^tags\b/.test(path));
}

/** The messages about tags. */
export function tagErrors(errors: Readonly<Record<string, string>>): string | undefined {
  return (
    tagPaths(errors)
      .map((path) => errors[path])
      .join(" ") || undefined
  );
}
