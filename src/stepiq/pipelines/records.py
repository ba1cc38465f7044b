"""Data classes of pipelines and versions."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from stepiq.core.json import Json
from stepiq.language.definitions.loading import Loaded
from stepiq.language.documents.source import SourceFormat
from stepiq.store.states import ManagedBy, PipelineStatus, RunStatus


@dataclass(frozen=True, slots=True)
class Draft:
    """A pipeline to save. None keeps the current value, or uses the definition's."""

    loaded: Loaded
    text: str
    """The definition as it was sent."""
    source_format: SourceFormat
    name: str | None = None
    description: str | None = None
    tags: list[str] | None = None
    slug: str | None = None
    management: "Management | None" = None


@dataclass(frozen=True, slots=True)
class Management:
    """What changes a pipeline, and where its definition comes from, such as the URL of a repository."""

    managed_by: ManagedBy | None
    source: str | None = None

    @property
    def columns(self) -> dict[str, str | None]:
        """The values of columns to write. An omitted source stays as it is, but none is kept without a manager."""
        if self.managed_by is not None and self.source is None:
            return {"managed_by": self.managed_by}
        source = None if self.managed_by is None else self.source
        return {"managed_by": self.managed_by, "managed_source": source}


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest run of a pipeline."""

    id: UUID
    status: RunStatus
    created_at: datetime
    failed_steps: int


@dataclass(frozen=True, slots=True)
class Author:
    """The user who did something."""

    id: UUID
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Since when, by whom and why a pipeline is paused."""

    at: datetime
    by: Author
    reason: str | None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline with the definition of its newest version."""

    id: UUID
    workspace_id: UUID
    slug: str
    name: str
    description: str
    definition: Json
    """None in a list without definitions."""
    version: int
    source_format: SourceFormat
    text_sha256: str
    """Of the newest version; see `text_digest`."""
    status: PipelineStatus
    tags: list[str]
    last_run: LastRun | None
    created_at: datetime
    updated_at: datetime
    pause: Pause | None = None
    """Set if and only if its status is `paused`."""
    management: Management = Management(None)

    @property
    def managed_by(self) -> ManagedBy | None:
        """What changes it."""
        return self.management.managed_by

    @property
    def source(self) -> str | None:
        """Where its definition comes from."""
        return self.management.source


def text_digest(text: str) -> bytes:
    """The SHA-256 of the text of a version. Callers compare it with their file, without reading the text."""
    return hashlib.sha256(text.encode()).digest()


@dataclass(frozen=True, slots=True)
class PipelineDay:
    """Usage of one pipeline on one day (UTC)."""

    pipeline_id: UUID
    day: str
    runs: int
    completed: int
    failed: int
    cancelled: int
    cost_usd_micros: int
    cost_complete: bool


@dataclass(frozen=True, slots=True)
class PipelineStats:
    """Ended runs and cost of a pipeline over the last days, and its next run."""

    days: Sequence[str]
    """In UTC, today last."""
    runs: Sequence[int]
    """Ended runs of each day."""
    completed: int
    failed: int
    cancelled: int
    success_rate: float | None
    """Completed runs of all that completed or failed; None without such runs."""
    cost_usd_micros: int
    cost_complete: bool
    next_run_at: datetime | None


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """A version in a list, without its definition."""

    pipeline_id: UUID
    version: int
    source_format: SourceFormat
    author: Author
    created_at: datetime
    runs: int
    """Counted up to a limit."""
    runs_complete: bool
    """Whether all runs were counted."""

    @property
    def created_by(self) -> UUID:
        """The user who saved it."""
        return self.author.id


@dataclass(frozen=True, slots=True)
class Version:
    """One saved state of a definition. It never changes."""

    pipeline_id: UUID
    version: int
    definition: Json
    text: str
    """The definition exactly as it was sent, in the column `source`."""
    source_format: SourceFormat
    created_by: UUID
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Target:
    """The data of a pipeline that a trigger needs."""

    id: UUID
    name: str
    status: PipelineStatus
    version: int
    """The newest version."""
    paused_at: datetime | None = None
    pause_reason: str | None = None
