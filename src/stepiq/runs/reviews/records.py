"""Data classes of reviews."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.store.states import ReviewDecision

TOKEN_LENGTH = 64
"""Length of a link's token, whose characters are `0-9A-Za-z-_`."""


@dataclass(frozen=True, slots=True)
class Review:
    """A review that a step of a run needs."""

    id: UUID
    workspace_id: UUID
    run_id: UUID
    pipeline_id: UUID
    pipeline_name: str
    step_id: str
    iteration: int
    message: str
    """Markdown, secrets masked."""
    input: Json
    """The content to review."""
    input_is_large: bool
    """If true, `input` is None in lists. Read the review itself to get it."""
    editable: bool
    assignees: tuple[str, ...]
    requested_at: datetime
    expires_at: datetime
    """End of the time to decide, never later than the run's own time limit."""
    closed_at: datetime | None
    decision: ReviewDecision | None
    """None if not decided."""
    reviewer: str | None
    is_test: bool
    """Whether its run executes a draft."""

    @property
    def is_open(self) -> bool:
        """Whether it can be decided. A run closes an expired review up to a second later."""
        return self.closed_at is None and clock.now() < self.expires_at


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision to record."""

    decision: ReviewDecision
    comment: str | None = None
    output: Json = None
    is_edited: bool = False
    """Whether `output` replaces the reviewed content."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A recorded decision."""

    decision: ReviewDecision
    reviewer: str
    """An email address."""
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class LinkHolder:
    """The assignee that a link was mailed to."""

    review_id: UUID
    assignee: int
    """Index in the review's assignees, from 0."""
