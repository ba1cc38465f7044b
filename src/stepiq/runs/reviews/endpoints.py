"""Routes of reviews."""

from contextlib import suppress
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response
from pydantic import Field

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.errors import CredentialInvalid, ScopeMissing, TooManyAttempts
from stepiq.accounts.http import Assignable, LinkDoor, needs
from stepiq.core.json import Json
from stepiq.language import readable_json
from stepiq.runs import answers
from stepiq.runs import service as runs
from stepiq.runs.errors import RunNotFound
from stepiq.runs.reviews import queries, service
from stepiq.runs.reviews.editing import examine, input_schema
from stepiq.runs.reviews.errors import (
    ReviewClosed,
    ReviewLinkInvalid,
    ReviewNotEditable,
    ReviewNotFound,
    ReviewOutputInvalid,
)
from stepiq.runs.reviews.records import TOKEN_LENGTH, Answer, LinkHolder, Review
from stepiq.runs.schemas import RunBrief, RunDetail, brief
from stepiq.store.database import Session, StoreUnavailable
from stepiq.store.states import ReviewDecision
from stepiq.web.bodies import FROM_TEXT, JsonInteger, StrictModel, Timestamp, View
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import AppKey, ServicesDep
from stepiq.web.transactions import OwnTx, Read

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


router = new_router("Reviews")

public = new_router("Reviews")
"""What needs no credential: the token of a link is one."""

Reader = Annotated[Actor, needs(Scope.PIPELINES_READ)]
Decider = Annotated[Actor, Depends(Assignable(Scope.PIPELINES_EXECUTE))]


REVIEW_LINKS = AppKey[LinkDoor[LinkHolder]]("review_links")
ReviewLinkDoor = Annotated[LinkDoor[LinkHolder], Depends(REVIEW_LINKS)]
StepPath = Annotated[str, Path(max_length=64, description="Id of the `human_review` step.")]


@router.get("/reviews", responses=problems(ScopeMissing))
async def list_reviews(caller: Reader, read: Read, page: PageQuery) -> Page[ReviewView]:
    """Open reviews of the workspace, newest first. Those of a test run are only shown to who started it, also with a personal API key."""
    statement = queries.page_statement(caller, before=page.before, limit=page.limit)
    page = page.fitting(await queries.sizes(read, statement))
    found = await queries.page(read, statement.limit(page.fetch))
    return page.page(found, ReviewView.model_validate, lambda review: review.id)


@router.get(
    "/runs/{run_id}/reviews/{step_id}",
    responses=problems(RunNotFound, ReviewNotFound, ScopeMissing),
)
async def get_review(
    caller: Reader,
    services: ServicesDep,
    run_id: UUID,
    step_id: StepPath,
    iteration: Annotated[
        int | None,
        Query(ge=1, le=2**31 - 1, description="Number of the iteration. Default: the last one."),
    ] = None,
) -> ReviewDetail:
    """An open or closed review, with all of its data."""
    async with services.database.reading() as read:
        found = await service.get(read, caller, run_id, step_id, iteration)
        schema = await input_schema(read, found, services.engine.definitions)
    return await detail(found, schema)


@router.post(
    "/runs/{run_id}/reviews/{step_id}",
    response_model=RunDetail | RunBrief,
    responses=problems(
        RunNotFound,
        ReviewNotFound,
        ReviewClosed,
        ReviewNotEditable,
        ReviewOutputInvalid,
        CredentialInvalid,
        ScopeMissing,
    ),
)
async def decide_review(
    caller: Decider,
    services: ServicesDep,
    own_tx: OwnTx,
    run_id: UUID,
    step_id: StepPath,
    body: ReviewAnswer,
) -> Response:
    """Approve or reject a review; the run then continues. Only the first decision counts.

    The answer to a key without the scope `pipelines:read` has only `id` and `status`.
    The reviewer is the email address of the caller's account, also with a personal API key, or the name of the service key. A viewer can decide reviews that
    name their address as an assignee.
    """
    find = partial(
        service.get, actor=caller, run_id=run_id, step_id=step_id, iteration=body.iteration
    )
    definitions = services.engine.definitions
    examined = await examine(services.database, find, body.answer, definitions)
    async with own_tx() as tx:
        await service.decide(
            tx,
            caller,
            run_id,
            step_id,
            body.answer,
            engine=services.engine,
            iteration=body.iteration,
            examined=examined,
        )
        # What a repetition of the request gets: the steps of a run can be large.
        decided = await own_tx.answer(brief(await runs.get(tx, caller, run_id)), 200)
    if Scope.PIPELINES_READ in caller.scopes:
        # The decision is saved. The run may have been deleted since.
        with suppress(StoreUnavailable, RunNotFound):
            return await answers.whole(services.database, caller, run_id, urgent=True)
    return decided


@public.post("/reviews/open", responses=problems(ReviewLinkInvalid, ReviewClosed, TooManyAttempts))
async def open_link(
    request: Request, services: ServicesDep, door: ReviewLinkDoor, body: ReviewLink
) -> ReviewForLink:
    """The review that a link from an email opens. Opening the link decides nothing."""
    holder = await door.admit(request, body.token)
    async with services.database.reading() as read:
        review, reviewer = await service.opened(read, holder)
        schema = await input_schema(read, review, services.engine.definitions)
    return await for_link(review, reviewer, schema)


@public.post(
    "/reviews/decide",
    responses=problems(
        ReviewLinkInvalid, ReviewClosed, ReviewNotEditable, ReviewOutputInvalid, TooManyAttempts
    ),
)
async def decide_by_link(
    request: Request, services: ServicesDep, door: ReviewLinkDoor, body: ReviewLinkAnswer
) -> ReviewDecided:
    """Approve or reject with the link from an email; the run then continues. Only the first decision counts.

    The reviewer is the address that the link was sent to.
    """
    holder = await door.admit(request, body.token)
    engine = services.engine
    find = partial(_opened, holder=holder)
    examined = await examine(services.database, find, body.answer, engine.definitions)
    async with services.database.transaction() as tx:
        decided = await service.decide_by_link(
            tx, holder, body.answer, engine=engine, examined=examined
        )
    return ReviewDecided.model_validate(decided)


async def _opened(session: Session, holder: LinkHolder) -> Review:
    review, _ = await service.opened(session, holder)
    return review
