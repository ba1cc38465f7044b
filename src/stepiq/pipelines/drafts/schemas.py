"""Shapes of drafts in the API."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from stepiq.language.documents.source import SourceFormat
from stepiq.web.bodies import FROM_TEXT, JsonInteger, StrictModel, Timestamp, View

MAX_TEXT = 256 * 1024
"""Most characters of a draft. A request has the same limit in bytes."""

Text = Annotated[str, Field(max_length=MAX_TEXT)]
Format = Annotated[SourceFormat, FROM_TEXT]


class NewDraft(StrictModel):
    """The text of a new pipeline."""

    text: Text = ""
    format: Format = SourceFormat.YAML


class DraftText(StrictModel):
    """The text to keep. It need not be valid."""

    text: Text
    format: Format = SourceFormat.YAML
    base_version: Annotated[JsonInteger, Field(ge=1, le=2**31 - 1)] | None = None
    """The version that is edited. Null for a new pipeline."""
    revision: Annotated[UUID | None, FROM_TEXT] = None
    """`revision` of the draft that you have read or written last. Null: you know of none."""


class OtherDraftView(View):
    """A draft of another member for the same pipeline."""

    user_id: UUID
    name: str
    base_version: int | None
    updated_at: Timestamp


class OtherDraftsView(View):
    """Drafts of other members for one pipeline."""

    data: list[OtherDraftView]
    """At most 10."""


class DraftSummaryView(View):
    """A draft without its text."""

    pipeline_id: UUID
    """Of a new pipeline: the id that the pipeline will get."""
    name: str | None
    """Name of the pipeline. If it is new: the name in the text."""
    format: SourceFormat
    base_version: int | None
    """The version that is edited."""
    current_version: int | None
    """The newest version. Null if the pipeline is new."""
    is_new: bool
    """Whether the pipeline was never saved."""
    revision: UUID
    """Identifies this state of the draft. Each change makes another one."""
    created_at: Timestamp
    updated_at: Timestamp


class DraftView(DraftSummaryView):
    """An unsaved text of the caller."""

    text: str
    others: list[OtherDraftView]
    """Drafts of other members for the same pipeline, at most 10."""


class DeletedDraftView(View):
    """The deleted draft."""

    pipeline_id: UUID
    deleted: Literal[True] = True
