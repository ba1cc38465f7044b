/** Texts of the settings of a pipeline. */
export const strings = {
  details: "Details",
  detailsText:
    "Changes here do not create a version. The next version takes name and description from its definition, so change them there as well.",
  name: "Name",
  description: "Description",
  tags: "Tags",
  tagsHint: "One tag a line, at most 20. Lists of pipelines and of runs can be filtered by them.",
  slug: "Slug",
  id: "Id",
  save: "Save",
  saved: "The changes are saved.",
  reset: "Discard changes",
  archivedText: "The pipeline is archived. Restore it to change it.",
  secrets: "Secrets of this pipeline",
  secretsText:
    "Only this pipeline can read them. They take precedence over secrets of the workspace with the same name. Values are never shown.",
  workspaceSecrets: "Secrets of the workspace",
  missingText: "The newest version uses these names, but no secret has them. Its runs fail.",
  noSecrets: "This pipeline has no secrets of its own.",
  setSecret: "Set secret",
  deleteText:
    "If the workspace has a secret of this name, the pipeline uses that one. Otherwise, runs that need it fail. The value cannot be restored.",
  archive: "Archive",
  restore: "Restore",
  archiveTitle: "Archive this pipeline",
  archiveText:
    "An archived pipeline cannot be started, and its schedules stop. Its runs and versions remain readable. You can restore it.",
  restoreTitle: "Restore this pipeline",
  restoreText: "It can then be started again, and its schedules continue.",
  archiveQuestion: (name: string) => `Archive the pipeline “${name}”?`,
  archiveAnswer:
    "It can no longer be started, and its schedules stop. Runs that have started continue. You can restore it here.",
  restoreQuestion: (name: string) => `Restore the pipeline “${name}”?`,
  archived: "The pipeline is archived.",
  restored: "The pipeline is restored.",
  notArchived: "The pipeline was not archived",
  notRestored: "The pipeline was not restored",
} as const;
