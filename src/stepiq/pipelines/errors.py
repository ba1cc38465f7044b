"""Errors of pipelines."""

from collections.abc import Sequence
from uuid import UUID

from stepiq.core.errors import Conflict, Invalid, Issue, Malformed, NotFound
from stepiq.store.states import PipelineStatus
from stepiq.web.errors import Current, PreconditionFailed


class PipelineNotFound(NotFound):
    """The pipeline does not exist, belongs to another workspace, or is archived and cannot be started."""

    code = "pipeline_not_found"

    def __init__(self, pipeline_id: UUID | str, *, is_archived: bool = False) -> None:
        """`pipeline_id` is a text if the caller sent one that is not an id."""
        message = f"Pipeline {pipeline_id} does not exist."
        if isinstance(pipeline_id, str):
            pipeline_id = pipeline_id[:100]
            message = (
                f"The workspace has no pipeline with the slug `{pipeline_id}`. To list pipelines with their slugs, use "
                f"GET /api/pipelines."
            )
        if is_archived:
            message = (
                f"Pipeline {pipeline_id} is archived, so it cannot be run. Restore it first: "
                f"POST /api/pipelines/{pipeline_id}/restore."
            )
        super().__init__(message, pipeline_id=pipeline_id)


class PipelineArchived(Conflict):
    """The pipeline is archived."""

    code = "pipeline_archived"

    def __init__(self, pipeline_id: UUID) -> None:
        super().__init__(
            f"Pipeline {pipeline_id} is archived. Restore it first: "
            f"POST /api/pipelines/{pipeline_id}/restore.",
            pipeline_id=pipeline_id,
        )


class PipelinePaused(Conflict):
    """The pipeline is paused."""

    code = "pipeline_paused"

    def __init__(self, pipeline_id: UUID, reason: str | None) -> None:
        why = f" Reason: {reason}" if reason else ""
        super().__init__(
            f"Pipeline {pipeline_id} is paused, so no runs can start. Resume it first: "
            f"POST /api/pipelines/{pipeline_id}/resume.{why}",
            pipeline_id=pipeline_id,
        )


class WebhookPaused(PipelineNotFound):
    """The pipeline of an inbound webhook is paused, so the webhook cannot start runs."""

    code = "pipeline_not_active"

    def __init__(self, pipeline_id: UUID) -> None:
        NotFound.__init__(
            self,
            f"Pipeline {pipeline_id} is paused, so its webhook cannot start runs. A member of the workspace can resume it: "
            f"POST /api/pipelines/{pipeline_id}/resume.",
            pipeline_id=pipeline_id,
        )


class VersionInUse(Conflict):
    """The version is the newest one of its pipeline, or has runs."""

    code = "version_in_use"

    def __init__(self, pipeline_id: UUID, version: int, *, is_newest: bool) -> None:
        why = (
            "is the newest one. Save another version first."
            if is_newest
            else "has runs, which need it. It can be deleted after them: the server deletes runs some time after their end."
        )
        super().__init__(
            f"Version {version} of pipeline {pipeline_id} cannot be deleted, because it {why}",
            pipeline_id=pipeline_id,
            version=version,
        )


class SlugTaken(Conflict):
    """Another pipeline of the workspace, active or archived, has this slug."""

    code = "slug_taken"

    def __init__(self, slug: str, status: PipelineStatus | None = None) -> None:
        message = f"Another pipeline has the slug `{slug}`. Choose another slug, or leave it out to get one."
        if status is PipelineStatus.ARCHIVED:
            message = (
                f"An archived pipeline has the slug `{slug}`. Restore it and save it again: "
                f"POST /api/pipelines/{slug}/restore. Or choose another slug."
            )
        super().__init__(message, slug=slug)


class StaleVersion(PreconditionFailed):
    """`If-Match` names another version than the newest."""

    def __init__(self, pipeline_id: UUID, version: int, current: Current = None) -> None:
        super().__init__(
            f"Pipeline {pipeline_id} is now at version {version}. Merge your changes into it, and save it with "
            f'If-Match: "v{version}".',
            current,
            pipeline_id=pipeline_id,
            version=version,
        )


class DefinitionInvalid(Invalid):
    """The definition cannot be run."""

    code = "invalid_definition"

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(_summary(issues), issues)


class DefinitionMalformed(Malformed):
    """The definition cannot be parsed as YAML or JSON."""

    code = "malformed_definition"

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(_summary(issues), issues)


class ModelNotFound(NotFound):
    """The catalog does not contain this model."""

    code = "model_not_found"

    def __init__(self, model_id: str, nearest: Sequence[str] = ()) -> None:
        hint = f" Did you mean {' or '.join(f'`{each}`' for each in nearest)}?" if nearest else ""
        super().__init__(
            f"The catalog has no model `{model_id}`.{hint} To list all models, use GET /api/models.",
            model_id=model_id,
        )


def _summary(issues: Sequence[Issue]) -> str:
    if len(issues) > 1:
        return f"The definition has {len(issues)} errors."
    issue = issues[0]
    where = f" {issue.path}:" if issue.path else ""
    line = f" (line {issue.line}, column {issue.column})" if issue.line else ""
    return f"The definition has an error.{where} {issue.message}{line}"
