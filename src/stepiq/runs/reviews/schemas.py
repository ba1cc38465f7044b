"""Shapes of reviews in the API."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from stepiq.core.json import Json
from stepiq.language import readable_json
from stepiq.runs.reviews.records import TOKEN_LENGTH, Answer, Review
from stepiq.store.states import ReviewDecision
from stepiq.web.bodies import FROM_TEXT, JsonInteger, StrictModel, Timestamp, View

MAX_COMMENT = 2_000
"""Characters of a comment."""

Token = Annotated[str, Field(max_length=4 * TOKEN_LENGTH)]


class ReviewView(View):
    """A review that a run has requested at a step."""

    run_id: UUID
    step_id: str
    pipeline_id: UUID
    pipeline_name: str
    iteration: int
    """How many times the run has reached the step."""
    message: str
    """Markdown."""
    input: Json
    """The data under review. Null in lists if it is larger than 64 KiB: read the review instead."""
    input_is_large: bool
    editable: bool
    """Whether the decision can have an `output` that replaces `input`."""
    assignees: list[str]
    """Addresses that got an email with a link."""
    requested_at: Timestamp
    expires_at: Timestamp
    """Deadline for a decision."""
    is_test: bool
    """Whether its run is a test run: one of a draft. Lists show it only to who started the run."""


class ReviewDetail(ReviewView):
    """An open or closed review."""

    decision: ReviewDecision | None
    """Null if nobody has decided. The output of the step has the complete decision."""
    reviewer: str | None
    closed_at: Timestamp | None
    """When it was decided, or when its run continued or ended without a decision. Null while it is open."""
    input_text: str
    """The data as text to read and edit: text unchanged, other JSON with line breaks and exact numbers."""
    input_schema: dict[str, Any] | None
    """JSON Schema of `input`, which an `output` must match. Null if it is not known."""


class _Decision(StrictModel):
    decision: Annotated[ReviewDecision, FROM_TEXT]
    comment: Annotated[str | None, Field(max_length=MAX_COMMENT)] = None
    """A comment for readers of the run, and for later steps."""
    output: Any = None
    """Replaces the data under review, if the review is `editable`; any JSON. Default: unchanged."""

    @property
    def answer(self) -> Answer:
        """The decision with its comment and changes."""
        is_edited = "output" in self.model_fields_set
        return Answer(self.decision, self.comment or None, self.output, is_edited)


class ReviewAnswer(_Decision):
    """A decision of a person with an account."""

    iteration: Annotated[JsonInteger, Field(ge=1, le=2**31 - 1)] | None = None
    """Decides only this iteration, so that you do not decide one that you have not seen. Default: the last one."""


class ReviewLinkAnswer(_Decision):
    """A decision with the link from an email."""

    token: Token
    """The part of the link after `#`."""


class ReviewLink(StrictModel):
    """A request with the link from an email."""

    token: Token
    """The part of the link after `#`."""


class ReviewForLink(View):
    """A review for the holder of a link."""

    pipeline_name: str
    step_id: str
    message: str
    """Markdown."""
    input: Json
    """The data under review."""
    input_text: str
    """The data as text to read and edit: text unchanged, other JSON with line breaks and exact numbers."""
    input_schema: dict[str, Any] | None
    """JSON Schema of `input`, which an `output` must match. Null if it is not known."""
    editable: bool
    """Whether the decision can have an `output` that replaces `input`."""
    reviewer: str
    """The address that the link was mailed to: the reviewer of the decision."""
    requested_at: Timestamp
    expires_at: Timestamp
    """Deadline for a decision."""


class ReviewDecided(View):
    """An accepted decision."""

    decision: ReviewDecision
    reviewer: str
    """The address to which the link was mailed."""
    decided_at: Timestamp


async def detail(review: Review, input_schema: dict[str, Json] | None) -> ReviewDetail:
    """A review with all of its data, for a member of its workspace."""
    shown = _shown(review, ReviewDetail, {"input_text", "input_schema"})
    return ReviewDetail(**shown, input_text=await _text(review), input_schema=input_schema)


async def for_link(
    review: Review, reviewer: str, input_schema: dict[str, Json] | None
) -> ReviewForLink:
    """An open review as the holder of a link sees it."""
    shown = _shown(review, ReviewForLink, {"input_text", "input_schema", "reviewer"})
    text = await _text(review)
    return ReviewForLink(**shown, input_text=text, input_schema=input_schema, reviewer=reviewer)


def _shown(review: Review, view: type[View], others: set[str]) -> dict[str, Any]:
    return {name: getattr(review, name) for name in view.model_fields.keys() - others}


async def _text(review: Review) -> str:
    if isinstance(review.input, str):
        return review.input
    return await readable_json.render(review.input)
