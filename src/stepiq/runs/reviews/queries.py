"""Queries of reviews."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.actor import Actor
from stepiq.core import clock
from stepiq.runs.reviews.records import Answer, Review
from stepiq.store.database import Session
from stepiq.store.statements.rows import row_sizes
from stepiq.store.statements.workspaces import belongs_to, newest_first
from stepiq.store.states import (
    FIRST_DRAFT_VERSION,
    KeyKind,
    ReviewDecision,
    StepStatus,
    is_draft_version,
)
from stepiq.store.tables import LARGE_VALUE_BYTES, api_keys, pipelines, reviews, run_steps, runs
from stepiq.store.types import JsonText

_PLAIN: tuple[sa.ColumnElement[Any], ...] = (
    reviews.c.id,
    reviews.c.workspace_id,
    reviews.c.run_id,
    reviews.c.pipeline_id,
    pipelines.c.name.label("pipeline_name"),
    reviews.c.step_id,
    reviews.c.iteration,
    reviews.c.message,
    reviews.c.editable,
    reviews.c.assignees,
    reviews.c.requested_at,
    reviews.c.expires_at,
    reviews.c.closed_at,
    reviews.c.decision,
    reviews.c.reviewer,
    runs.c.pipeline_version,
)
_SIZE = sa.func.coalesce(sa.func.length(reviews.c.input, type_=sa.Integer), 0)
_IS_LARGE = (_SIZE > LARGE_VALUE_BYTES).label("input_is_large")
# Lists do not read large inputs: a page of them can be a hundred MiB.
_SMALL_INPUT = sa.type_coerce(
    sa.case((_SIZE <= LARGE_VALUE_BYTES, reviews.c.input)), JsonText()
).label("input")


def _whole() -> sa.Select[Any]:
    return _selected(reviews.c.input)


def _selected(shown: sa.ColumnElement[Any]) -> sa.Select[Any]:
    of_pipeline = reviews.join(pipelines, pipelines.c.id == reviews.c.pipeline_id)
    of_run = of_pipeline.join(runs, runs.c.id == reviews.c.run_id)
    return sa.select(*_PLAIN, _IS_LARGE, shown).select_from(of_run)


def page_statement(actor: Actor, *, before: UUID | None, limit: int) -> sa.Select[Any]:
    """Open reviews of the actor's workspace, newest first. Of test runs, only those that the actor started."""
    statement = _selected(_SMALL_INPUT).where(
        sa.or_(runs.c.pipeline_version < FIRST_DRAFT_VERSION, _started_by(actor)),
        belongs_to(reviews.c.workspace_id, actor.workspace_id),
        reviews.c.closed_at.is_(None),
        # An expired review is closed by its run, up to a second later.
        reviews.c.expires_at > clock.now(),
    )
    if before is not None:
        statement = statement.where(reviews.c.id < before)
    return statement.order_by(*newest_first(reviews.c.workspace_id)).limit(limit)


def _started_by(actor: Actor) -> sa.ColumnElement[bool]:
    """Whether a run was started by a member, also with a personal key, or with the same service key."""
    if actor.role is None:
        return runs.c.caller_id == actor.key_id
    keys = sa.select(api_keys.c.id).where(
        api_keys.c.user_id == actor.user_id, api_keys.c.kind == KeyKind.PERSONAL
    )
    return sa.or_(runs.c.caller_id == actor.user_id, runs.c.caller_id.in_(keys))


async def sizes(session: Session, statement: sa.Select[Any]) -> list[int]:
    """The sizes of the texts and inputs that `page_statement` reads."""
    return await row_sizes(session, statement, reviews.c.message, _SMALL_INPUT)


async def page(session: Session, statement: sa.Select[Any]) -> list[Review]:
    """Execute `page_statement`."""
    return [_review(row) for row in await session.execute(statement)]


async def find(
    session: Session, workspace_id: UUID, run_id: UUID, step_id: str, iteration: int | None
) -> Review | None:
    """The review of a step of a run of the workspace: in one iteration, or the latest."""
    statement = _whole().where(
        reviews.c.run_id == run_id,
        reviews.c.workspace_id == workspace_id,
        reviews.c.step_id == step_id,
    )
    if iteration is not None:
        statement = statement.where(reviews.c.iteration == iteration)
    newest = statement.order_by(reviews.c.iteration.desc()).limit(1)
    row = (await session.execute(newest)).one_or_none()
    return None if row is None else _review(row)


async def by_id(session: Session, review_id: UUID) -> Review | None:
    """A review of any workspace, for link holders and review emails."""
    row = (await session.execute(_whole().where(reviews.c.id == review_id))).one_or_none()
    return None if row is None else _review(row)


async def version_and_step_before(
    session: Session, review: Review
) -> tuple[int, str | None] | None:
    """The version that a run executes, and the step whose output a review shows by default.

    That is the last step before it that was not skipped. None if the run was deleted.
    """
    of_run = run_steps.c.run_id == review.run_id
    asking = sa.select(run_steps.c.ordinal).where(
        of_run, run_steps.c.step_id == review.step_id, run_steps.c.iteration == review.iteration
    )
    before = (
        sa.select(run_steps.c.step_id)
        .where(
            of_run,
            run_steps.c.branch == "",
            run_steps.c.status != StepStatus.SKIPPED,
            run_steps.c.ordinal < asking.scalar_subquery(),
        )
        .order_by(run_steps.c.ordinal.desc())
        .limit(1)
    )
    found = await session.execute(
        sa.select(runs.c.pipeline_version, before.scalar_subquery().label("before")).where(
            runs.c.id == review.run_id
        )
    )
    row = found.one_or_none()
    return None if row is None else (row.pipeline_version, row.before)


async def decide(
    session: Session, review_id: UUID, answer: Answer, *, reviewer: str, at: datetime
) -> None:
    """Record a decision. The caller has locked the run and checked that the review is open."""
    output = answer.output if answer.is_edited else reviews.c.input
    await session.execute(
        reviews.update()
        .where(reviews.c.id == review_id)
        .values(
            decision=answer.decision,
            comment=answer.comment,
            output=output,
            reviewer=reviewer,
            closed_at=at,
        )
    )


def _review(row: sa.Row[Any]) -> Review:
    return Review(
        id=row.id,
        workspace_id=row.workspace_id,
        run_id=row.run_id,
        pipeline_id=row.pipeline_id,
        pipeline_name=row.pipeline_name,
        step_id=row.step_id,
        iteration=row.iteration,
        message=row.message,
        input=row.input,
        input_is_large=row.input_is_large,
        editable=row.editable,
        assignees=tuple(row.assignees),
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        closed_at=row.closed_at,
        decision=None if row.decision is None else ReviewDecision(row.decision),
        reviewer=row.reviewer,
        is_test=is_draft_version(row.pipeline_version),
    )
