"""What may be done with reviews: read them, and decide one, with an account or by a link."""

from uuid import UUID

from stepiq.accounts import service as accounts
from stepiq.accounts.actor import Actor
from stepiq.core import clock, logging
from stepiq.execution.runtime import Engine
from stepiq.runs import queries as runs
from stepiq.runs.errors import RunNotFound
from stepiq.runs.reviews import queries
from stepiq.runs.reviews.errors import (
    ReviewClosed,
    ReviewLinkInvalid,
    ReviewNotEditable,
    ReviewNotFound,
)
from stepiq.runs.reviews.records import Answer, Decided, LinkHolder, Review
from stepiq.store.database import Session
from stepiq.store.states import RunStatus

log = logging.get(__name__)


async def page(session: Session, actor: Actor, *, before: UUID | None, limit: int) -> list[Review]:
    """What waits for a decision in the actor's workspace, newest first."""
    statement = queries.page_statement(actor.workspace_id, before=before, limit=limit)
    return await queries.page(session, statement)


async def get(
    session: Session, actor: Actor, run_id: UUID, step_id: str, iteration: int | None = None
) -> Review:
    """What a run asks at a step, open or closed: in one iteration, or the last time.

    Raises:
        RunNotFound: the actor's workspace has no such run.
        ReviewNotFound: the run has asked nobody there.
    """
    found = await queries.find(session, actor.workspace_id, run_id, step_id, iteration)
    if found is not None:
        return found
    if await runs.progress(session, actor.workspace_id, run_id) is None:
        raise RunNotFound(run_id)
    raise ReviewNotFound(run_id)


async def decide(
    session: Session,
    actor: Actor,
    run_id: UUID,
    step_id: str,
    answer: Answer,
    *,
    engine: Engine,
    iteration: int | None = None,
) -> None:
    """Decide what a run asks at a step; it goes on within milliseconds of the commit, or when the plan has a slot for it.

    Raises:
        RunNotFound: the actor's workspace has no such run.
        ReviewNotFound: the run has asked nobody there.
        ReviewClosed: it is decided, its time is up, or its run has gone on or ended.
        ReviewNotEditable: the answer changes what must stay as it is.
    """
    # First: whoever holds the run sees what is true of its reviews until the transaction ends.
    status = await runs.lock(session, actor.workspace_id, run_id)
    if status is None:
        raise RunNotFound(run_id)
    review = await get(session, actor, run_id, step_id, iteration)
    account = await accounts.me(session, actor)
    await _decide(session, review, status, answer, reviewer=account.email, engine=engine)


async def find(session: Session, review_id: UUID) -> Review | None:
    """A review by its id, for who carries its mail; None when it went with its run. It does not ask whose it is."""
    return await queries.by_id(session, review_id)


async def opened(session: Session, holder: LinkHolder) -> tuple[Review, str]:
    """What the holder of a link is asked, and the address that their decision will carry.

    Raises:
        ReviewLinkInvalid: the review has been deleted with its run.
        ReviewClosed: it is decided, its time is up, or its run has gone on or ended.
    """
    review, reviewer = await _held(session, holder)
    if not review.is_open:
        raise ReviewClosed(review)
    return review, reviewer


async def decide_by_link(
    session: Session, holder: LinkHolder, answer: Answer, *, engine: Engine
) -> Decided:
    """Decide a review in the name of the assignee whose link it is.

    Raises:
        ReviewLinkInvalid: the review has been deleted with its run.
        ReviewClosed: it is decided, its time is up, or its run has gone on or ended.
        ReviewNotEditable: the answer changes what must stay as it is.
    """
    seen, _ = await _held(session, holder)
    status = await runs.lock(session, seen.workspace_id, seen.run_id)
    # Once more: what was seen before the run was held may be true no longer.
    review, reviewer = await _held(session, holder)
    return await _decide(session, review, status, answer, reviewer=reviewer, engine=engine)


async def _held(session: Session, holder: LinkHolder) -> tuple[Review, str]:
    review = await queries.by_id(session, holder.review_id)
    if review is None or holder.assignee >= len(review.assignees):
        raise ReviewLinkInvalid
    return review, review.assignees[holder.assignee]


async def _decide(
    session: Session,
    review: Review,
    status: RunStatus | None,
    answer: Answer,
    *,
    reviewer: str,
    engine: Engine,
) -> Decided:
    # A run that somebody carries has been woken: by a clock ahead of this one, its time may be up.
    if status is not RunStatus.WAITING or not review.is_open:
        raise ReviewClosed(review)
    if answer.is_edited and not review.editable:
        raise ReviewNotEditable
    now = clock.now()
    await queries.decide(session, review.id, answer, reviewer=reviewer, at=now)
    await engine.wake(session, review.workspace_id, review.run_id)
    log.info("review_decided", run_id=str(review.run_id), decision=str(answer.decision))
    return Decided(answer.decision, reviewer, now)
