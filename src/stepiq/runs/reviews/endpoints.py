"""Routes of reviews."""

from contextlib import suppress
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.authentication.links import LinkDoor
from stepiq.accounts.errors import CredentialInvalid, ScopeMissing, TooManyAttempts
from stepiq.accounts.http import Assignable, needs
from stepiq.runs import answers
from stepiq.runs import service as runs
from stepiq.runs.errors import RunNotFound
from stepiq.runs.reviews import queries, schemas, service
from stepiq.runs.reviews.editing import examine, input_schema
from stepiq.runs.reviews.errors import (
    ReviewClosed,
    ReviewLinkInvalid,
    ReviewNotEditable,
    ReviewNotFound,
    ReviewOutputInvalid,
)
from stepiq.runs.reviews.records import LinkHolder, Review
from stepiq.runs.schemas import RunBrief, RunDetail, brief
from stepiq.store.database import Session, StoreUnavailable
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import AppKey, ServicesDep
from stepiq.web.transactions import OwnTx, Read

router = new_router("Reviews")

public = new_router("Reviews")
"""What needs no credential: the token of a link is one."""

Reader = Annotated[Actor, needs(Scope.PIPELINES_READ)]
Decider = Annotated[Actor, Depends(Assignable(Scope.PIPELINES_EXECUTE))]


REVIEW_LINKS = AppKey[LinkDoor[LinkHolder]]("review_links")
ReviewLinkDoor = Annotated[LinkDoor[LinkHolder], Depends(REVIEW_LINKS)]
StepPath = Annotated[str, Path(max_length=64, description="Id of the `human_review` step.")]


@router.get("/reviews", responses=problems(ScopeMissing))
async def list_reviews(caller: Reader, read: Read, page: PageQuery) -> Page[schemas.ReviewView]:
    """Open reviews of the workspace, newest first. Those of a test run are only shown to who started it, also with a personal API key."""
    statement = queries.page_statement(caller, before=page.before, limit=page.limit)
    page = page.fitting(await queries.sizes(read, statement))
    found = await queries.page(read, statement.limit(page.fetch))
    return page.page(found, schemas.ReviewView.model_validate, lambda review: review.id)


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
) -> schemas.ReviewDetail:
    """An open or closed review, with all of its data."""
    async with services.database.reading() as read:
        found = await service.get(read, caller, run_id, step_id, iteration)
        schema = await input_schema(read, found, services.engine.definitions)
    return await schemas.detail(found, schema)


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
    body: schemas.ReviewAnswer,
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
    request: Request, services: ServicesDep, door: ReviewLinkDoor, body: schemas.ReviewLink
) -> schemas.ReviewForLink:
    """The review that a link from an email opens. Opening the link decides nothing."""
    holder = door.let_in(request, body.token)
    async with services.database.reading() as read:
        review, reviewer = await service.opened(read, holder)
        schema = await input_schema(read, review, services.engine.definitions)
    return await schemas.for_link(review, reviewer, schema)


@public.post(
    "/reviews/decide",
    responses=problems(
        ReviewLinkInvalid, ReviewClosed, ReviewNotEditable, ReviewOutputInvalid, TooManyAttempts
    ),
)
async def decide_by_link(
    request: Request, services: ServicesDep, door: ReviewLinkDoor, body: schemas.ReviewLinkAnswer
) -> schemas.ReviewDecided:
    """Approve or reject with the link from an email; the run then continues. Only the first decision counts.

    The reviewer is the address that the link was sent to.
    """
    holder = door.let_in(request, body.token)
    engine = services.engine
    find = partial(_opened, holder=holder)
    examined = await examine(services.database, find, body.answer, engine.definitions)
    async with services.database.transaction() as tx:
        decided = await service.decide_by_link(
            tx, holder, body.answer, engine=engine, examined=examined
        )
    return schemas.ReviewDecided.model_validate(decided)


async def _opened(session: Session, holder: LinkHolder) -> Review:
    review, _ = await service.opened(session, holder)
    return review
