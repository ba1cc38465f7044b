"""Data classes of drafts."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.language.documents.source import SourceFormat


@dataclass(frozen=True, slots=True)
class EditorDraft:
    """The unsaved text of one person for one pipeline."""

    pipeline_id: UUID
    text: str
    """In lists, only the beginning."""
    source_format: SourceFormat
    base_version: int | None
    """The version that the person edits; None for a new pipeline."""
    revision: UUID
    """Identifies this state of the text."""
    created_at: datetime
    updated_at: datetime
    pipeline_name: str | None = None
    """None if the pipeline was never saved."""
    current_version: int | None = None
    """The newest version of the pipeline; None if it was never saved."""
    others: tuple["OtherDraft", ...] = ()
    """Drafts of other members, where a single draft is read."""

    @property
    def format(self) -> SourceFormat:
        """`source_format`, by its name in the API."""
        return self.source_format

    @property
    def is_new(self) -> bool:
        """Whether the pipeline was never saved."""
        return self.current_version is None

    @property
    def name(self) -> str | None:
        """The name of the pipeline. Before it is saved, the name in the text, if there is one."""
        return self.pipeline_name or _name_in(self.text)


@dataclass(frozen=True, slots=True)
class OtherDraft:
    """A draft of another member for the same pipeline, without its text."""

    user_id: UUID
    name: str
    """The member's name."""
    base_version: int | None
    updated_at: datetime


def as_json(draft: EditorDraft) -> dict[str, Json]:
    """A draft as the API shows it, for an error."""
    others: list[Json] = [
        {
            "user_id": str(other.user_id),
            "name": other.name,
            "base_version": other.base_version,
            "updated_at": clock.iso(other.updated_at),
        }
        for other in draft.others
    ]
    return {
        "pipeline_id": str(draft.pipeline_id),
        "name": draft.name,
        "format": str(draft.source_format),
        "base_version": draft.base_version,
        "current_version": draft.current_version,
        "is_new": draft.is_new,
        "revision": str(draft.revision),
        "created_at": clock.iso(draft.created_at),
        "updated_at": clock.iso(draft.updated_at),
        "text": draft.text,
        "others": others,
    }


NAME_WITHIN = 4_000
"""The name of a pipeline is looked for in this many characters."""
_LONGEST_NAME = 200


def _name_in(text: str) -> str | None:
    """The value after the first `name:`. The text need not be valid, so it is not parsed."""
    for line in text[:NAME_WITHIN].splitlines():
        key, separator, value = line.strip().lstrip("{").strip().partition(":")
        if separator and key.strip("\"' ") == "name":
            return value.strip(" ,\"'}")[:_LONGEST_NAME] or None
    return None
