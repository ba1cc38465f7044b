"""Queries of operations and of the steps that they belong to."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.core.json import Json
from stepiq.execution.records.rows import step_record
from stepiq.execution.records.run import StepRecord
from stepiq.runs.operations.records import Position, RecordedOperation, StepSummary
from stepiq.store.database import Session
from stepiq.store.states import OperationStatus, StepStatus
from stepiq.store.tables import large_values, operation_payloads, run_operations, run_steps, runs

_SUMMARY = [run_steps.c[each.name] for each in fields(StepSummary) if each.name in run_steps.c]
_PLAIN = [
    column
    for column in run_operations.c
    if column.name not in ("request", "request_hash", "response")
]


async def latest_step(
    session: Session, run_id: UUID, step_id: str, *, iteration: int | None, branch: str | None
) -> StepRecord | None:
    """The last execution of a step in a run, by the order in which they began: of all, or of those given."""
    conditions = [run_steps.c.run_id == run_id, run_steps.c.step_id == step_id]
    if iteration is not None:
        conditions.append(run_steps.c.iteration == iteration)
    if branch is not None:
        conditions.append(run_steps.c.branch == branch)
    # A subquery, because sorting whole rows would read the outputs of all executions.
    latest = (
        sa.select(run_steps.c.id)
        .where(*conditions)
        .order_by(run_steps.c.ordinal.desc(), run_steps.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return await _step(session, run_steps.c.id == latest)


def steps_statement(run_id: UUID, *, after: int, limit: int) -> sa.Select[Any]:
    """Executions of steps of a run after an ordinal, in order, without prompts and outputs."""
    return (
        sa.select(*_SUMMARY)
        .where(run_steps.c.run_id == run_id, run_steps.c.ordinal > after)
        .order_by(run_steps.c.ordinal)
        .limit(limit)
    )


def queued_statement(row_ids: Sequence[UUID], *, is_sqlite: bool) -> sa.Select[Any]:
    """How many seconds the calls of each of these executions waited before they started."""
    waited = run_operations.c.started_at - run_operations.c.queued_at
    seconds: sa.ColumnElement[Any]
    if is_sqlite:
        columns = (run_operations.c.started_at, run_operations.c.queued_at)
        begun, asked = (sa.type_coerce(column, sa.BigInteger) for column in columns)
        seconds = sa.func.sum(begun - asked, type_=sa.BigInteger) / 1_000_000.0
    else:
        seconds = sa.func.sum(sa.extract("epoch", waited))
    chosen: list[sa.ColumnElement[Any]] = [
        run_operations.c.step_row_id,
        seconds.label("seconds"),
    ]
    return (
        sa.select(*chosen)
        .where(run_operations.c.step_row_id.in_(row_ids), run_operations.c.started_at.is_not(None))
        .group_by(run_operations.c.step_row_id)
    )


async def steps(session: Session, run_id: UUID, *, after: int, limit: int) -> list[StepSummary]:
    """Execute `steps_statement` and `queued_statement`."""
    rows = (await session.execute(steps_statement(run_id, after=after, limit=limit))).mappings()
    found = rows.all()
    is_sqlite = session.dialect == "sqlite"
    waits = queued_statement([row["id"] for row in found], is_sqlite=is_sqlite)
    waited: dict[UUID, Any] = {}
    if found:
        waited = {row.step_row_id: row.seconds for row in await session.execute(waits)}
    return [_summary(row, waited.get(row["id"])) for row in found]


async def step(session: Session, run_id: UUID, row_id: UUID) -> StepRecord | None:
    """An execution of a step in a run, by the id of its row."""
    return await _step(session, run_steps.c.id == row_id, run_steps.c.run_id == run_id)


async def original_of(
    session: Session, workspace_id: UUID, reused: StepRecord
) -> tuple[UUID, UUID] | None:
    """The execution that a reused step was copied from, through any number of retries: ids of its run and of its row.

    None if a run in between has been deleted.
    """
    copies = (
        sa.select(run_steps.c.id, run_steps.c.run_id, run_steps.c.is_reused)
        .where(run_steps.c.id == reused.id)
        .cte("copies", recursive=True)
    )
    retry, earlier = runs.alias("retry"), runs.alias("earlier")
    copies = copies.union_all(
        sa.select(run_steps.c.id, run_steps.c.run_id, run_steps.c.is_reused)
        .select_from(copies)
        .join(retry, retry.c.id == copies.c.run_id)
        .join(
            earlier,
            sa.and_(earlier.c.id == retry.c.retry_of, earlier.c.workspace_id == workspace_id),
        )
        .join(
            run_steps,
            sa.and_(
                run_steps.c.run_id == earlier.c.id,
                run_steps.c.step_id == reused.step_id,
                run_steps.c.branch == reused.branch,
                run_steps.c.iteration == reused.iteration,
            ),
        )
        .where(copies.c.is_reused)
    )
    found = await session.execute(
        sa.select(copies.c.run_id, copies.c.id).where(sa.not_(copies.c.is_reused))
    )
    row = found.one_or_none()
    return None if row is None else (row.run_id, row.id)


async def page(
    session: Session, step_row_id: UUID, *, after: Position, limit: int
) -> list[RecordedOperation]:
    """Operations of an execution of a step after a position, in order."""
    place = sa.tuple_(run_operations.c.attempt, run_operations.c.number)
    rows = await session.execute(
        sa.select(*_PLAIN)
        .where(
            run_operations.c.step_row_id == step_row_id,
            place > sa.tuple_(sa.literal(after.attempt), sa.literal(after.number)),
        )
        .order_by(run_operations.c.attempt, run_operations.c.number)
        .limit(limit)
    )
    return [_operation(row) for row in rows]


async def find(
    session: Session, workspace_id: UUID, run_id: UUID, operation_id: UUID
) -> tuple[RecordedOperation, Json, Json] | None:
    """An operation of a run of the workspace, with its request and its response as recorded."""
    found = await session.execute(
        sa.select(*_PLAIN, run_operations.c.request, run_operations.c.response)
        .join(runs, runs.c.id == run_operations.c.run_id)
        .where(
            run_operations.c.id == operation_id,
            runs.c.id == run_id,
            runs.c.workspace_id == workspace_id,
        )
    )
    row = found.one_or_none()
    if row is None:
        return None
    request, response = row.request, row.response
    if row.request_is_large or row.response_is_large:
        parts = await session.execute(
            sa.select(operation_payloads.c.part, operation_payloads.c.value).where(
                operation_payloads.c.operation_id == operation_id
            )
        )
        large: dict[str, Any] = {each.part: each.value for each in parts}
        request = large.get("request", request)
        response = large.get("response", response)
    return _operation(row), request, response


async def _step(session: Session, *conditions: sa.ColumnElement[bool]) -> StepRecord | None:
    found = await session.execute(
        sa.select(run_steps, large_values.c.value.label("large_value"))
        .outerjoin(large_values, large_values.c.owner_id == run_steps.c.id)
        .where(*conditions)
    )
    row = found.one_or_none()
    return None if row is None else step_record(row)


def _summary(row: sa.RowMapping, queued_seconds: Any) -> StepSummary:
    values: dict[str, Any] = {**row, "status": StepStatus(row["status"])}
    queued = None if queued_seconds is None else timedelta(seconds=float(queued_seconds))
    return StepSummary(**values, queued=queued)


def _operation(row: sa.Row[Any]) -> RecordedOperation:
    return RecordedOperation(
        id=row.id,
        run_id=row.run_id,
        step_row_id=row.step_row_id,
        attempt=row.attempt,
        number=row.number,
        kind=row.kind,
        status=OperationStatus(row.status),
        starts=row.starts,
        key=row.key,
        error=row.error,
        model=row.model,
        paid_by=row.paid_by,
        input_tokens=row.input_tokens,
        cached_tokens=row.cached_tokens,
        output_tokens=row.output_tokens,
        tokens_estimated=row.tokens_estimated,
        cost=row.cost,
        queued_at=row.queued_at,
        started_at=row.started_at,
        first_piece_at=row.first_piece_at,
        ended_at=row.ended_at,
        request_is_omitted=row.request_is_omitted,
        response_is_omitted=row.response_is_omitted,
    )
