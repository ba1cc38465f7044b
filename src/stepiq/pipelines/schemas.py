"""Shapes of pipelines, versions and models in the API."""

import re
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from stepiq.language.source import SourceFormat
from stepiq.store.states import PipelineStatus, RunStatus
from stepiq.web.bodies import StrictModel, Timestamp, View

_OBJECT_WANTED = "must be a JSON object. To send YAML, make it the whole body, with Content-Type: application/yaml"


def _object(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError(_OBJECT_WANTED)
    return value  # pyright: ignore[reportUnknownVariableType] - its parts are the language's business


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Description = Annotated[str, StringConstraints(max_length=2_000)]
WantedTag = Annotated[str, StringConstraints(strip_whitespace=True, max_length=50)]
"""A tag to look for, which may be one that nothing can have."""
_TAG = r'^[^"\\\x00-\x1f]*$'
_SLUG = r"^[a-z0-9](?:[a-z0-9-]{0,78}[a-z0-9])?$"


def _slug(text: str) -> str:
    if not re.fullmatch(_SLUG, text):
        raise PydanticCustomError(
            "invalid_slug",
            "Must have 1 to 80 lower-case letters, digits and hyphens, and must not begin or end with a hyphen.",
        )
    return text


def _tag(text: str) -> str:
    if not re.fullmatch(_TAG, text):
        raise PydanticCustomError(
            "invalid_tag", "Must not contain double quotes, backslashes or control characters."
        )
    return text


Slug = Annotated[str, AfterValidator(_slug), Field(json_schema_extra={"pattern": _SLUG})]
Tag = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=50),
    AfterValidator(_tag),
    Field(json_schema_extra={"pattern": _TAG}),
]
Tags = Annotated[list[Tag], AfterValidator(lambda value: _distinct(value))]

_MAX_TAGS = 20


def _distinct(tags: list[str]) -> list[str]:
    if len(tags) > _MAX_TAGS:
        raise ValueError(f"must have at most {_MAX_TAGS} tags")
    return list(dict.fromkeys(tags))


class PipelineBody(StrictModel):
    """A definition with what stands around it. The definition alone may be sent, too, as JSON or as YAML."""

    name: Name | None = None
    """Default: the definition's."""
    description: Description | None = None
    """Default: the definition's."""
    tags: Tags | None = None
    """At most 20. Default: none, or as they were."""
    slug: Slug | None = None
    """Unique among the workspace's pipelines. Default: made from the name, or as it was."""
    definition: Annotated[dict[str, Any], BeforeValidator(_object)]


class PipelinePatch(StrictModel):
    """What to change without making a version; null and absent leave a field as it is."""

    name: Name | None = None
    description: Description | None = None
    tags: Tags | None = None


class LastRunView(View):
    """The newest run of a pipeline."""

    id: UUID
    status: RunStatus
    created_at: Timestamp


class PipelineView(View):
    """A pipeline with the definition of its newest version."""

    id: UUID
    slug: str
    name: str
    description: str
    definition: dict[str, Any]
    version: int
    status: PipelineStatus
    tags: list[str]
    last_run: LastRunView | None
    created_at: Timestamp
    updated_at: Timestamp


class IssueView(View):
    """One problem of a definition, and its place."""

    path: str
    code: str
    message: str
    line: int | None = None
    column: int | None = None


class SavedPipelineView(PipelineView):
    """A pipeline as it was just saved."""

    warnings: list[IssueView]
    """What was accepted but may not do what its author wants."""


class ArchivedView(View):
    """A pipeline that was taken out of use; its versions and runs stay readable."""

    id: UUID
    status: PipelineStatus
    deleted: bool = True


class VersionSummaryView(View):
    """One saved state of a pipeline's definition."""

    pipeline_id: UUID
    version: int
    source_format: SourceFormat
    created_by: UUID
    """The user who saved it."""
    created_at: Timestamp


class VersionView(VersionSummaryView):
    """One saved state with its definition."""

    definition: dict[str, Any]


class ChangeView(View):
    """One difference between two definitions."""

    op: Literal["add", "remove", "replace", "move"]
    path: str
    """Where, as in `steps[2].prompt`: in the later version, of what was removed in the earlier."""
    before: Any = None
    """Absent where something was added."""
    after: Any = None
    """Absent where something was removed."""


class DiffView(View):
    """What differs between two versions."""

    before: int
    after: int
    text: str
    """As `diff -u` writes it, of the versions as YAML; empty when they read the same."""
    changes: list[ChangeView]
    """By the fields of the definition, whatever the text looks like. Steps are compared by their ids."""


class ValidationView(View):
    """What would happen to a definition if it were saved."""

    valid: bool
    errors: list[IssueView]
    warnings: list[IssueView]


class ModelView(View):
    """One model. Prices are dollars per million tokens; null when unknown."""

    id: str
    name: str
    provider: str
    context_window: int | None
    max_output_tokens: int | None
    input_usd_per_million: float | None
    cached_input_usd_per_million: float | None
    output_usd_per_million: float | None
    capabilities: list[str]
    usable: bool
    """Whether runs of this server can use it now."""
    reason: str | None
    """Why not, and what to set."""


class ProviderView(View):
    """One provider of models."""

    id: str
    name: str
    usable: bool
    source: str
    """Whose credential is used: `account_key`, `server_key`, `local` (none is needed) or `none`."""
    reason: str | None
    models: list[str]
