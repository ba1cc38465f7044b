"""Data classes of bulk jobs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from stepiq.store.states import BulkAction, BulkItemStatus, BulkStatus, Role


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """How a job retries its runs."""

    start: str = "start"
    """A step id, `start` or `failed`."""
    latest_version: bool = False


@dataclass(frozen=True, slots=True)
class BulkFailures:
    """The failed items of a job with the same code."""

    code: str
    count: int


@dataclass(frozen=True, slots=True)
class BulkJob:
    """A job that cancels or retries many runs."""

    id: UUID
    workspace_id: UUID
    user_id: UUID
    key_id: UUID | None
    action: BulkAction
    name: str
    retry: RetryOptions
    status: BulkStatus
    total: int
    done: int
    failed: int
    has_more: bool
    """Whether more runs matched than a job can have."""
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    failures: Sequence[BulkFailures] = field(default=())
    """Filled only where a single job is read."""


@dataclass(frozen=True, slots=True)
class JobToContinue:
    """An unfinished job that does not wait."""

    id: UUID
    workspace_id: UUID
    action: BulkAction


@dataclass(frozen=True, slots=True)
class JobCaller:
    """What can have changed about a caller since it created a job."""

    plan: str
    """Name of the workspace's plan."""
    role: Role | None
    """None: a service key."""


@dataclass(frozen=True, slots=True)
class BulkItem:
    """One run of a job."""

    position: int
    run_id: UUID
    status: BulkItemStatus
    code: str | None = None
    message: str | None = None
    new_run_id: UUID | None = None
