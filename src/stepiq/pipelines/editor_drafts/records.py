"""Data classes of drafts."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from stepiq.language.source import SourceFormat


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
