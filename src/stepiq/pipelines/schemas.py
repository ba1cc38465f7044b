"""Shapes of pipelines, versions and models in the API."""

import re
from datetime import date
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from stepiq.core import ids
from stepiq.language.documents.source import SourceFormat
from stepiq.store.states import ManagedBy, PipelineStatus, RunStatus
from stepiq.web.bodies import FROM_TEXT, StrictModel, Timestamp, View

_OBJECT_WANTED = "must be a JSON object. To send YAML, make it the whole body, with Content-Type: application/yaml"


def _object(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError(_OBJECT_WANTED)
    return value  # pyright: ignore[reportUnknownVariableType] - its parts are checked by the language


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Description = Annotated[str, StringConstraints(max_length=2_000)]
Source = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
WantedTag = Annotated[str, StringConstraints(strip_whitespace=True, max_length=50)]
"""A tag to look for, which may be one that nothing can have."""
_TAG = r'^[^"\\\x00-\x1f]*$'


def _slug(text: str) -> str:
    if (problem := ids.slug_problem(text)) is not None:
        raise PydanticCustomError("invalid_slug", "{problem}", {"problem": problem.message})
    return text


def _tag(text: str) -> str:
    if not re.fullmatch(_TAG, text):
        raise PydanticCustomError(
            "invalid_tag", "Must not contain double quotes, backslashes or control characters."
        )
    return text


Slug = Annotated[str, AfterValidator(_slug), Field(json_schema_extra={"pattern": ids.SLUG_PATTERN})]
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


def _require_manager(managed_by: ManagedBy | None, source: str | None) -> None:
    if source is not None and managed_by is None:
        raise PydanticCustomError("manager_missing", "`source` needs `managed_by`: add `git`.")


class PipelineBody(StrictModel):
    """A definition with its name, description, tags and slug. The definition alone, as JSON or YAML, is also accepted.

    Has either `definition` or `text`.
    """

    name: Name | None = None
    """Default: that of the definition."""
    description: Description | None = None
    """Default: that of the definition."""
    tags: Tags | None = None
    """At most 20. Default: none for a new pipeline, else unchanged."""
    slug: Slug | None = None
    """Unique in the workspace, also among archived pipelines. Must not look like an id. Default: created from the name for a new pipeline, else unchanged."""
    managed_by: Annotated[ManagedBy | None, FROM_TEXT] = None
    """`git`: the web interface does not edit the definition. Null: new pipelines have no manager, others keep theirs."""
    source: Source | None = None
    """With `managed_by`: where the definition comes from, such as the URL of a repository. People see it."""
    definition: Annotated[dict[str, Any] | None, BeforeValidator(_object)] = None
    text: str | None = None
    """The definition as the text of a file, which is stored byte for byte."""
    format: Annotated[SourceFormat, FROM_TEXT] = SourceFormat.YAML
    """The format of `text`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _require_manager(self.managed_by, self.source)
        if (self.definition is None) == (self.text is None):
            raise PydanticCustomError(
                "definition_or_text", "Must have either `definition` or `text`."
            )
        return self


class PipelinePatch(StrictModel):
    """Changes without a new version. Omitted fields and null leave a value unchanged, except `managed_by`."""

    name: Name | None = None
    description: Description | None = None
    tags: Tags | None = None
    managed_by: Annotated[ManagedBy | None, FROM_TEXT] = None
    """`git`: the web interface does not edit the definition. Null, if it is sent: people edit it again."""
    source: Source | None = None
    """With `managed_by`: where the definition comes from."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _require_manager(self.managed_by, self.source)
        return self


class LastRunView(View):
    """The newest run of a pipeline."""

    id: UUID
    status: RunStatus
    created_at: Timestamp
    failed_steps: int
    """Of a completed run: the steps and branches that failed, although the run went on."""


class PipelineStatsView(View):
    """Ended runs and cost of a pipeline over the last seven days (UTC), and its next run."""

    days: list[date]
    """Today is the last one."""
    runs: list[int]
    """Ended runs of each day."""
    completed: int
    failed: int
    cancelled: int
    success_rate: float | None
    """`completed / (completed + failed)`; null without such runs."""
    cost_usd_micros: int
    cost_complete: bool
    next_run_at: Timestamp | None
    """When a schedule starts it. Null while it is paused."""


class AuthorView(View):
    """The user who did something."""

    id: UUID
    name: str
    email: str


class PauseRequest(StrictModel):
    """Why a pipeline is paused."""

    reason: (
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
        | None
    ) = None


class PauseView(View):
    """Since when, by whom and why a pipeline is paused."""

    at: Timestamp
    by: AuthorView
    reason: str | None


class PipelineFields(View):
    """What every answer with a pipeline has."""

    id: UUID
    slug: str
    name: str
    description: str
    version: int
    source_format: SourceFormat
    text_sha256: str
    """SHA-256 of the text of the newest version, in hexadecimal."""
    status: PipelineStatus
    tags: list[str]
    last_run: LastRunView | None
    pause: PauseView | None
    """Null unless the status is `paused`."""
    managed_by: ManagedBy | None
    """`git`: deployed from a repository. Null: edited by people."""
    source: str | None
    """Where it is deployed from."""
    created_at: Timestamp
    updated_at: Timestamp


class PipelineView(PipelineFields):
    """A pipeline with the definition of its newest version."""

    definition: dict[str, Any]


class IssueView(View):
    """One problem in a definition, and its place."""

    path: str
    code: str
    message: str
    line: int | None = None
    column: int | None = None


class ListedPipelineView(PipelineFields):
    """A pipeline in a list."""

    definition: dict[str, Any] | None
    """The definition of its newest version; null if `include_definition` is false."""
    stats: PipelineStatsView | None
    """Null without `include=stats`."""


class SavedPipelineView(PipelineView):
    """A saved pipeline."""

    warnings: list[IssueView]
    """Problems that do not prevent saving."""

    def as_sent(self, tags: list[str] | None) -> Self:
        """Without what others have stored or run, for a caller who has sent these tags."""
        hidden = {"last_run": None, "pause": None, "managed_by": None, "source": None}
        return self.model_copy(update={**hidden, "tags": tags or []})


class ArchivedView(View):
    """An archived pipeline. Its versions and runs remain readable."""

    id: UUID
    status: PipelineStatus
    deleted: bool = True


class DeletedVersionView(View):
    """A deleted version of the pipeline `id`."""

    id: UUID
    version: int
    deleted: Literal[True] = True


class VersionSummaryView(View):
    """A version of a pipeline."""

    pipeline_id: UUID
    version: int
    source_format: SourceFormat
    created_by: UUID
    """The user who saved it."""
    created_at: Timestamp


class ListedVersionView(VersionSummaryView):
    """A version in a list."""

    author: AuthorView
    runs: int
    """Number of its runs, up to 1,000."""
    runs_complete: bool
    """False if it has more runs."""


class VersionView(VersionSummaryView):
    """A version with its definition."""

    definition: dict[str, Any]
    text: str
    """The definition exactly as it was sent, in `source_format`."""


class ChangeView(View):
    """One difference between two definitions."""

    op: Literal["add", "remove", "replace", "move"]
    path: str
    """Place of the change, such as `steps[2].prompt`: in the later version, or in the earlier one if it was removed."""
    before: Any = None
    """Absent if something was added."""
    after: Any = None
    """Absent if something was removed."""


class DiffView(View):
    """The differences between two versions."""

    before: int
    after: int
    text: str
    """The output of `diff -u` for the versions as YAML; empty if they are the same."""
    changes: list[ChangeView]
    """The changed fields of the definition, independent of formatting. Steps are compared by their ids."""


class ValidationView(View):
    """The result of validating a definition."""

    valid: bool
    errors: list[IssueView]
    warnings: list[IssueView]


class ModelView(View):
    """A model. Prices are US dollars per million tokens, or null if unknown."""

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
    """Whether runs on this server can use it now."""
    reason: str | None
    """Why it cannot be used, and what to set."""


class ProviderView(View):
    """A provider of models."""

    id: str
    name: str
    usable: bool
    source: str
    """The credential that is used: `account_key`, `server_key`, `local` (no credential needed) or `none`."""
    reason: str | None
    models: list[str]
