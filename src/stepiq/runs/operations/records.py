"""Data classes of operations."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from stepiq.core.json import Json
from stepiq.execution.records.run import StepRecord
from stepiq.store.states import OperationStatus, StepStatus


@dataclass(frozen=True, slots=True)
class RecordedOperation:
    """One call out of the process, without request and response."""

    id: UUID
    run_id: UUID
    step_row_id: UUID
    attempt: int
    number: int
    kind: str
    """Text, because a worker of a later version can have recorded a kind that this version does not know."""
    status: OperationStatus
    starts: int
    key: str
    """The idempotency key."""
    error: Json
    model: str | None
    paid_by: str | None
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    tokens_estimated: bool
    cost: Mapping[str, int] | None
    queued_at: datetime | None
    started_at: datetime | None
    first_piece_at: datetime | None
    ended_at: datetime | None
    request_is_omitted: bool = False
    """Whether it is not recorded because of the limit for each step."""
    response_is_omitted: bool = False
    """As `request_is_omitted`."""


@dataclass(frozen=True, slots=True)
class Position:
    """The place of an operation among those of its step."""

    attempt: int
    number: int


START = Position(0, 0)
"""Before the first operation."""


@dataclass(frozen=True, slots=True)
class StepExecution:
    """An execution of a step, and the one that it was copied from if it was reused."""

    step: StepRecord
    run_id: UUID | None
    """The run that executed the step; None if it has been deleted."""
    original: StepRecord | None
    """The step as that run recorded it."""


@dataclass(frozen=True, slots=True)
class StepSummary:
    """One execution of a step, without prompts and output."""

    id: UUID
    step_id: str
    name: str
    type: str
    branch: str
    iteration: int
    ordinal: int
    status: StepStatus
    attempts: int
    model: str | None
    error: Json
    is_reused: bool
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost: Mapping[str, int] | None
    started_at: datetime | None
    completed_at: datetime | None
    queued: timedelta | None
    """How long its calls waited before they started. None without calls."""


@dataclass(frozen=True, slots=True)
class Payloads:
    """What an operation sent and received, with secrets masked."""

    request: Json
    response: Json
