"""Data classes of pipelines and versions."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from stepiq.core.json import Json
from stepiq.language.loading import Loaded
from stepiq.language.source import SourceFormat
from stepiq.store.states import PipelineStatus, RunStatus


@dataclass(frozen=True, slots=True)
class Draft:
    """A pipeline to save. None keeps the current value, or uses the definition's."""

    loaded: Loaded
    source: str
    source_format: SourceFormat
    name: str | None = None
    description: str | None = None
    tags: list[str] | None = None
    slug: str | None = None


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest run of a pipeline."""

    id: UUID
    status: RunStatus
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline with the definition of its newest version."""

    id: UUID
    workspace_id: UUID
    slug: str
    name: str
    description: str
    definition: Json
    version: int
    status: PipelineStatus
    tags: list[str]
    last_run: LastRun | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """One saved state of a definition. It never changes."""

    pipeline_id: UUID
    version: int
    definition: Json
    source: str
    """The text exactly as it was sent."""
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
