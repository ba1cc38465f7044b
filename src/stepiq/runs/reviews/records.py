"""A review and what is answered to it, as the other files of this domain pass them around."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.store.states import ReviewDecision

TOKEN_LENGTH = 64
"""Characters of a link's token, all of `0-9A-Za-z-_`."""


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
    """In lists such an input is None: it is read with the review itself."""
    editable: bool
    assignees: tuple[str, ...]
    requested_at: datetime
    expires_at: datetime
    """Until when it can be decided; never behind the end of the run's own time."""
    closed_at: datetime | None
    decision: ReviewDecision | None
    """None: nobody has decided."""
    reviewer: str | None

    @property
    def is_open(self) -> bool:
        """Whether it can be decided. A run notices the end of its time up to a second later."""
        return self.closed_at is None and clock.now() < self.expires_at


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says to a review."""

    decision: ReviewDecision
    comment: str | None = None
    output: Json = None
    is_edited: bool = False
    """Whether `output` takes the place of what was under review."""


@dataclass(frozen=True, slots=True)
class Decided:
    """An answer that counts."""

    decision: ReviewDecision
    reviewer: str
    """An email address."""
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class LinkHolder:
    """Who holds a link: the assignee of a review it was mailed to."""

    review_id: UUID
    assignee: int
    """Which of the review's assignees, counted from 0."""
