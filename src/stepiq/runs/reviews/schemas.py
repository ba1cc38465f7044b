"""Shapes of reviews in the API."""

import json as readable_json
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from stepiq.core.json import Json
from stepiq.runs.reviews.records import TOKEN_LENGTH, Answer, Review
from stepiq.store.states import ReviewDecision
from stepiq.web.bodies import FROM_TEXT, JsonInteger, StrictModel, Timestamp, View

MAX_COMMENT = 2_000
"""Characters of a comment."""

Token = Annotated[str, Field(max_length=4 * TOKEN_LENGTH)]


class ReviewView(View):
    """What a run asks people at one of its steps."""

    run_id: UUID
    step_id: str
    pipeline_id: UUID
    pipeline_name: str
    iteration: int
    """Counts how often the run has come to the step."""
    message: str
    """Markdown."""
    input: Json
    """What is under review. In lists, null when it is larger than 64 KiB: read the review itself then."""
    input_is_large: bool
    editable: bool
    """Whether the decision may carry an `output` that takes the place of `input`."""
    assignees: list[str]
    """Who got a mail with a link."""
    requested_at: Timestamp
    expires_at: Timestamp
    """Until when it can be decided."""


class ReviewDetail(ReviewView):
    """A review by itself, open or closed."""

    decision: ReviewDecision | None
    """Null: nobody has decided. What else was said is in the output of the step."""
    reviewer: str | None
    closed_at: Timestamp | None
    """When it was decided, or its run went on or ended without a decision; null while it is open."""


class _Decision(StrictModel):
    decision: Annotated[ReviewDecision, FROM_TEXT]
    comment: Annotated[str | None, Field(max_length=MAX_COMMENT)] = None
    """For those who read the run, and for its later steps."""
    output: Any = None
    """Takes the place of what is under review, if the review is `editable`; any JSON. Left out, that stays as it is."""

    @property
    def answer(self) -> Answer:
        """What was said."""
        is_edited = "output" in self.model_fields_set
        return Answer(self.decision, self.comment or None, self.output, is_edited)


class ReviewAnswer(_Decision):
    """A decision of somebody with an account."""

    iteration: Annotated[JsonInteger, Field(ge=1, le=2**31 - 1)] | None = None
    """Decides that iteration only, so that nobody decides what they have not seen. Default: the last one."""


class LinkAnswer(_Decision):
    """A decision by the link of a mail."""

    token: Token
    """The part of the link behind `#`."""


class LinkOpened(StrictModel):
    """Who asks what is under review by the link of a mail."""

    token: Token
    """The part of the link behind `#`."""


class ReviewForLink(View):
    """A review as the holder of a link sees it."""

    pipeline_name: str
    step_id: str
    message: str
    """Markdown."""
    input: Json
    """What is under review."""
    input_text: str
    """The same to be read and edited: a text as it is, other JSON with line breaks, its numbers to the last digit."""
    editable: bool
    """Whether the decision may carry an `output` that takes the place of `input`."""
    reviewer: str
    """The address that the link was mailed to, which the decision will carry."""
    requested_at: Timestamp
    expires_at: Timestamp
    """Until when it can be decided."""


class ReviewDecided(View):
    """A decision that counts."""

    decision: ReviewDecision
    reviewer: str
    """The address that the link was mailed to."""
    decided_at: Timestamp


def for_link(review: Review, reviewer: str) -> ReviewForLink:
    """An open review as the holder of a link sees it."""
    content = review.input
    if not isinstance(content, str):
        content = readable_json.dumps(review.input, ensure_ascii=False, indent=2)
    names = ReviewForLink.model_fields.keys() - {"input_text", "reviewer"}
    shown: dict[str, Any] = {name: getattr(review, name) for name in names}
    return ReviewForLink(**shown, input_text=content, reviewer=reviewer)
