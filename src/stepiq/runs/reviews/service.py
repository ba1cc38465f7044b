"""Operations on reviews: read them, and decide one with an account or through a link."""

from uuid import UUID

from stepiq.accounts import service as accounts
from stepiq.accounts.actor import Actor, Credential, Scope
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, ActorKind, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, By
from stepiq.accounts.errors import RoleMissing, ScopeMissing
from stepiq.core import clock
from stepiq.core.observability import logging
from stepiq.execution.admission.statements import lock_run
from stepiq.execution.runtime import Engine
from stepiq.runs import queries as runs
from stepiq.runs.errors import RunNotFound
from stepiq.runs.reviews import editing, queries
from stepiq.runs.reviews.editing import ExaminedEdit
from stepiq.runs.reviews.errors import (
    ReviewClosed,
    ReviewLinkInvalid,
    ReviewNotEditable,
    ReviewNotFound,
    ReviewOutputInvalid,
)
from stepiq.runs.reviews.records import Answer, Decided, LinkHolder, Review
from stepiq.store.database import Session
from stepiq.store.states import RunStatus


async def _record_decision(
    session: Session, review: Review, answer: Answer, *, by: Actor | Decided
) -> None:
    """Record a decision about a review, by an account or with a link. The content and the comment are not recorded."""
    await audit.record(
        session,
        By(ActorKind.LINK, review.workspace_id, None, by.reviewer)
        if isinstance(by, Decided)
        else by,
        Action.REVIEW_DECIDED,
        AuditTarget(AuditTargetType.REVIEW, review.id, review.pipeline_name),
        after={
            "decision": answer.decision,
            "is_edited": answer.is_edited,
            "run_id": str(review.run_id),
            "step_id": review.step_id,
            "iteration": review.iteration,
        },
    )


log = logging.get(__name__)


async def get(
    session: Session, actor: Actor, run_id: UUID, step_id: str, iteration: int | None = None
) -> Review:
    """The review of a step, open or closed: in one iteration, or the latest.

    Raises:
        RunNotFound: the actor's workspace has no such run.
        ReviewNotFound: the run has not requested a review at this step.
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
    examined: ExaminedEdit | None = None,
) -> None:
    """Decide a review; `examined` is of the same answer. Its run continues within milliseconds of the commit, or when the plan has a free slot.

    Raises:
        RunNotFound: the actor's workspace has no such run.
        ReviewNotFound: the run has not requested a review at this step.
        ReviewClosed: it is decided or has expired, or its run has continued or ended.
        ReviewNotEditable: the answer edits content that is not editable.
        ReviewOutputInvalid: the edited content does not match the schema of what is under review.
        RoleMissing: the actor's role does not allow decisions, and the review does not name the actor as an assignee.
        ScopeMissing: the API key does not allow decisions.
    """
    # Lock first: while the run is locked, its reviews do not change.
    status = await lock_run(session, actor.workspace_id, run_id)
    if status is None:
        raise RunNotFound(run_id)
    review = await get(session, actor, run_id, step_id, iteration)
    reviewer = await accounts.name_of(session, actor)
    _require_decider(actor, reviewer, review)
    await _decide(session, review, status, answer, examined, reviewer=reviewer, engine=engine)
    await _record_decision(session, review, answer, by=actor)


def _require_decider(actor: Actor, reviewer: str, review: Review) -> None:
    if Scope.PIPELINES_EXECUTE in actor.scopes:
        return
    if actor.credential is Credential.API_KEY:
        raise ScopeMissing(Scope.PIPELINES_EXECUTE)
    if actor.role is not None and reviewer not in map(str.lower, review.assignees):
        raise RoleMissing.for_scope(Scope.PIPELINES_EXECUTE, actor.role)


async def find(session: Session, review_id: UUID) -> Review | None:
    """A review by its id, without checking the workspace; None if it was deleted with its run."""
    return await queries.by_id(session, review_id)


async def opened(session: Session, holder: LinkHolder) -> tuple[Review, str]:
    """The open review of a link, and the address that will be recorded as its reviewer.

    Raises:
        ReviewLinkInvalid: the review was deleted with its run, its assignee was removed from the workspace, or the accounts
            of all members are disabled.
        ReviewClosed: it is decided or has expired, or its run has continued or ended.
    """
    review, reviewer = await _held(session, holder)
    if not review.is_open:
        raise ReviewClosed(review)
    return review, reviewer


async def decide_by_link(
    session: Session,
    holder: LinkHolder,
    answer: Answer,
    *,
    engine: Engine,
    examined: ExaminedEdit | None = None,
) -> Decided:
    """Decide a review as the assignee that the link was mailed to. `examined` is of the same answer.

    Raises:
        ReviewLinkInvalid: the review was deleted with its run, its assignee was removed from the workspace, or the accounts
            of all members are disabled.
        ReviewClosed: it is decided or has expired, or its run has continued or ended.
        ReviewNotEditable: the answer edits content that is not editable.
        ReviewOutputInvalid: the edited content does not match the schema of what is under review.
    """
    seen, _ = await _held(session, holder)
    status = await lock_run(session, seen.workspace_id, seen.run_id)
    # Read again: the review may have changed before the run was locked.
    review, reviewer = await _held(session, holder)
    decided = await _decide(
        session, review, status, answer, examined, reviewer=reviewer, engine=engine
    )
    await _record_decision(session, review, answer, by=decided)
    return decided


async def _held(session: Session, holder: LinkHolder) -> tuple[Review, str]:
    review = await queries.by_id(session, holder.review_id)
    if review is None or holder.assignee >= len(review.assignees):
        raise ReviewLinkInvalid
    if await accounts.is_stopped(session, review.workspace_id):
        raise ReviewLinkInvalid
    reviewer = review.assignees[holder.assignee]
    if await accounts.is_removed_member(session, review.workspace_id, reviewer):
        raise ReviewLinkInvalid
    return review, reviewer


async def _decide(
    session: Session,
    review: Review,
    status: RunStatus | None,
    answer: Answer,
    examined: ExaminedEdit | None,
    *,
    reviewer: str,
    engine: Engine,
) -> Decided:
    # The status decides too: a worker whose clock is ahead may already have resumed the run because the review expired.
    if status is not RunStatus.WAITING or not review.is_open:
        raise ReviewClosed(review)
    if answer.is_edited and not review.editable:
        raise ReviewNotEditable
    if answer.is_edited:
        issues = await editing.edit_issues(session, review, answer, engine.definitions, examined)
        if issues:
            raise ReviewOutputInvalid(issues)
    now = clock.now()
    await queries.decide(session, review.id, answer, reviewer=reviewer, at=now)
    await engine.wake(session, review.workspace_id, review.run_id)
    log.info("review_decided", run_id=str(review.run_id), decision=str(answer.decision))
    return Decided(answer.decision, reviewer, now)
