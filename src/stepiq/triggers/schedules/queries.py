"""Queries of schedules. Finding due schedules takes one index seek, independent of their number."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.store.database import Session
from stepiq.store.statements import rows as many_rows
from stepiq.store.statements import sweeping
from stepiq.store.statements.rows import row_sizes, size_bytes
from stepiq.store.statements.workspaces import PLAN, belongs_to, has_enabled_member, newest_first
from stepiq.store.states import CatchUp, Overlap, PipelineStatus, RunStatus, TickOutcome
from stepiq.store.tables import pipelines, runs, schedule_ticks, schedules, workspaces
from stepiq.triggers.schedules.records import (
    Candidate,
    Due,
    ListedSchedule,
    Planned,
    Schedule,
    Tick,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIELDS = tuple(field.name for field in fields(Schedule))
_TICK_FIELDS = tuple(field.name for field in fields(Tick))


def _advance(values: Mapping[str, sa.ColumnElement[Any]]) -> sa.Executable:
    return (
        schedules.update()
        .where(schedules.c.id == values["schedule_id"])
        .values(
            next_run_at=values["next_at"],
            last_run_at=sa.func.coalesce(values["started_at"], schedules.c.last_run_at),
        )
    )


_MOVE_TYPES = {
    "schedule_id": schedules.c.id.type,
    "next_at": schedules.c.next_run_at.type,
    "started_at": schedules.c.last_run_at.type,
}
_ADVANCE = _advance({name: sa.bindparam(name, type_=kind) for name, kind in _MOVE_TYPES.items()})
_ADVANCE_TOGETHER = _advance(dict(many_rows.given(_MOVE_TYPES).c.items()))


async def insert(session: Session, schedule: Schedule) -> None:
    """Store a new schedule."""
    # `asdict` would copy the input value by value.
    values = {name: getattr(schedule, name) for name in _FIELDS}
    await session.execute(schedules.insert().values(**values))


async def count(session: Session, pipeline_id: UUID, limit: int) -> int:
    """The number of schedules of a pipeline, at most `limit`."""
    some = sa.select(schedules.c.id).where(schedules.c.pipeline_id == pipeline_id).limit(limit)
    return await session.scalar(sa.select(sa.func.count()).select_from(some.subquery()))


async def find(
    session: Session, workspace_id: UUID, schedule_id: UUID, *, lock: bool = False
) -> Schedule | None:
    """A schedule of the workspace; with `lock`, locked until this transaction ends."""
    statement = sa.select(schedules).where(
        schedules.c.id == schedule_id, schedules.c.workspace_id == workspace_id
    )
    if lock:
        statement = statement.with_for_update()
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else _schedule(row)


async def of_definition(session: Session, pipeline_id: UUID) -> Schedule | None:
    """Lock and return the schedule created by a pipeline's definition."""
    statement = sa.select(schedules).where(
        schedules.c.pipeline_id == pipeline_id, schedules.c.from_definition
    )
    row = (await session.execute(statement.with_for_update())).one_or_none()
    return None if row is None else _schedule(row)


def page_statement(
    workspace_id: UUID,
    *,
    pipeline_id: UUID | None,
    enabled: bool | None,
    before: UUID | None,
    limit: int,
) -> sa.Select[Any]:
    """Schedules of a workspace that match the filters, newest first."""
    statement = (
        sa.select(
            schedules,
            pipelines.c.name.label("pipeline_name"),
            pipelines.c.paused_at.is_not(None).label("is_paused"),
        )
        .join(pipelines, pipelines.c.id == schedules.c.pipeline_id)
        .where(schedules.c.workspace_id == workspace_id)
    )
    if pipeline_id is not None:
        statement = statement.where(schedules.c.pipeline_id == pipeline_id)
    if enabled is not None:
        statement = statement.where(schedules.c.enabled == enabled)
    if before is not None:
        statement = statement.where(schedules.c.id < before)
    return statement.order_by(schedules.c.id.desc()).limit(limit)


async def sizes(session: Session, statement: sa.Select[Any]) -> list[int]:
    """The sizes of the inputs that `page_statement` reads."""
    return await row_sizes(session, statement, schedules.c.input_data)


async def page(session: Session, statement: sa.Select[Any]) -> list[ListedSchedule]:
    """Execute `page_statement`."""
    return [
        ListedSchedule(
            **_values(row), pipeline_name=row.pipeline_name, is_paused=bool(row.is_paused)
        )
        for row in await session.execute(statement)
    ]


async def update(session: Session, schedule_id: UUID, values: dict[str, Any]) -> None:
    """Change a schedule."""
    await session.execute(schedules.update().where(schedules.c.id == schedule_id).values(**values))


async def delete(session: Session, schedule_id: UUID) -> None:
    """Delete a schedule and the outcomes of its ticks."""
    await session.execute(schedules.delete().where(schedules.c.id == schedule_id))


async def lock_enabled(session: Session, pipeline_id: UUID) -> list[Schedule]:
    """Lock and return the enabled schedules of a pipeline."""
    rows = await session.execute(
        sa.select(schedules)
        .where(schedules.c.pipeline_id == pipeline_id, schedules.c.enabled)
        .order_by(schedules.c.id)
        .with_for_update()
    )
    return [_schedule(row) for row in rows]


async def lock_all(session: Session, pipeline_id: UUID) -> None:
    """Lock the schedules of a pipeline, enabled or not."""
    await session.execute(
        sa.select(schedules.c.id)
        .where(schedules.c.pipeline_id == pipeline_id)
        .order_by(schedules.c.id)
        .with_for_update()
    )


async def stop(session: Session, pipeline_id: UUID) -> None:
    """Stop all schedules of a pipeline from firing. `enabled` does not change."""
    await session.execute(
        schedules.update()
        .where(schedules.c.pipeline_id == pipeline_id, schedules.c.next_run_at.is_not(None))
        .values(next_run_at=None)
    )


async def first_upcoming(
    session: Session,
    workspace_id: UUID,
    limit: int,
    *,
    pipeline_id: UUID | None = None,
    before: datetime | None = None,
) -> list[Planned]:
    """The schedules of a workspace, or of one pipeline, that start runs next.

    With `before`, only those that fire before that moment.
    """
    statement = (
        sa.select(
            schedules.c.id,
            schedules.c.pipeline_id,
            pipelines.c.name,
            schedules.c.name,
            schedules.c.cron_expression,
            schedules.c.timezone,
            schedules.c.next_run_at,
        )
        .join(pipelines, pipelines.c.id == schedules.c.pipeline_id)
        .where(
            schedules.c.workspace_id == workspace_id,
            schedules.c.next_run_at.is_not(None),
            pipelines.c.paused_at.is_(None),
        )
    )
    if pipeline_id is not None:
        statement = statement.where(schedules.c.pipeline_id == pipeline_id)
    if before is not None:
        statement = statement.where(schedules.c.next_run_at < before)
    rows = await session.execute(
        statement.order_by(schedules.c.next_run_at, schedules.c.id).limit(limit)
    )
    return [Planned(*row) for row in rows]


async def due(session: Session, now: datetime, limit: int) -> list[Candidate]:
    """Due schedules, longest due first."""
    rows = await session.execute(_candidates(session, now).limit(limit))
    return [Candidate(*row) for row in rows]


async def due_of_each(
    session: Session, now: datetime, limit: int, workspaces: Sequence[UUID]
) -> list[Candidate]:
    """Lock due schedules until this transaction ends, at most `limit` of each of these workspaces; returns them.

    Of each workspace, those that have been due longest. Skips schedules that another ticker has locked.
    """
    parts = [
        _candidates(session, now)
        .where(schedules.c.workspace_id == workspace_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .subquery()
        for workspace_id in workspaces
    ]
    # One statement, because each one waits for a turn of the event loop, which is busy when many schedules are due.
    rows = await session.execute(sa.union_all(*(sa.select(*part.c) for part in parts)))
    return [Candidate(*row) for row in rows]


def _candidates(session: Session, now: datetime) -> sa.Select[Any, Any, Any]:
    size = size_bytes(session, schedules.c.input_data)
    return (
        sa.select(schedules.c.id, schedules.c.workspace_id, size.label("size_bytes"))
        .where(schedules.c.next_run_at <= now)
        .order_by(schedules.c.next_run_at)
    )


async def due_workspaces(session: Session, now: datetime, limit: int, *, after: UUID) -> list[UUID]:
    """Workspaces with due schedules, ordered by id, after an id.

    Each step of the recursion seeks the next workspace in an index, so the number of schedules per workspace does not
    matter.
    """

    def next_after(workspace_id: sa.ColumnElement[UUID]) -> sa.Select[tuple[UUID]]:
        following = (
            sa.select(schedules.c.workspace_id)
            .where(schedules.c.workspace_id > workspace_id)
            .order_by(schedules.c.workspace_id)
            .limit(1)
            .scalar_subquery()
        )
        return sa.select(following.label("id"))

    first = next_after(sa.literal(after, schedules.c.workspace_id.type))
    found = first.cte("found", recursive=True)
    found = found.union_all(next_after(found.c.id).where(found.c.id.is_not(None)))
    # A scalar subquery instead of EXISTS, which a database may turn into a join that reads all due schedules.
    due = (
        sa.select(schedules.c.id)
        .where(schedules.c.workspace_id == found.c.id, schedules.c.next_run_at <= now)
        .limit(1)
        .correlate(found)
        .scalar_subquery()
    )
    rows = await session.execute(sa.select(found.c.id).where(due.is_not(None)).limit(limit))
    return list(rows.scalars())


async def newly_due_workspaces(
    session: Session, since: datetime, now: datetime, limit: int
) -> list[UUID]:
    """Workspaces with schedules that have become due since a moment."""
    rows = await session.execute(
        sa.select(schedules.c.workspace_id)
        .where(schedules.c.next_run_at > since, schedules.c.next_run_at <= now)
        .distinct()
        .limit(limit)
    )
    return list(rows.scalars())


async def take_due(session: Session, now: datetime, wanted: Sequence[UUID]) -> list[Due]:
    """Lock the given schedules that are due, until this transaction ends; longest due first.

    Skips schedules that another ticker has locked.

    Args:
        session: The transaction.
        now: The current time.
        wanted: The ids of the schedules.
    """
    newest_run = (
        sa.select(runs.c.status)
        .where(belongs_to(runs.c.schedule_id, schedules.c.id), runs.c.schedule_id.is_not(None))
        .order_by(*newest_first(runs.c.schedule_id))
        .limit(1)
        .correlate(schedules)
        .scalar_subquery()
    )
    recorded = (
        sa.exists()
        .where(
            schedule_ticks.c.schedule_id == schedules.c.id,
            schedule_ticks.c.due_at == schedules.c.next_run_at,
        )
        .correlate(schedules)
    )
    statement = (
        sa.select(
            schedules,
            PLAN,
            pipelines.c.status.label("pipeline_status"),
            pipelines.c.version,
            (~has_enabled_member(schedules.c.workspace_id)).label("is_disabled"),
            sa.case((schedules.c.overlap == Overlap.SKIP, newest_run)).label("last_run"),
            recorded.label("is_recorded"),
        )
        .join(workspaces, workspaces.c.id == schedules.c.workspace_id)
        .join(pipelines, pipelines.c.id == schedules.c.pipeline_id)
        .where(schedules.c.id.in_(wanted), schedules.c.next_run_at <= now)
        .order_by(schedules.c.next_run_at)
        # With SKIP LOCKED, tickers do not wait for each other.
        .with_for_update(of=schedules, skip_locked=True)
    )
    return [_due(row) for row in await session.execute(statement)]


async def advance(
    session: Session, moves: Sequence[tuple[UUID, datetime | None, datetime | None]]
) -> None:
    """Set when schedules fire next and, if given, when they last started a run.

    A move is `(schedule_id, next_run_at, last_run_at)`.
    """
    rows = [
        {"schedule_id": schedule_id, "next_at": next_at, "started_at": started_at}
        for schedule_id, next_at, started_at in moves
    ]
    await many_rows.execute(session, _ADVANCE, _ADVANCE_TOGETHER, rows)


async def record(session: Session, ticks: Sequence[Tick]) -> None:
    """Store outcomes of ticks. An outcome that is already stored does not change."""
    rows = [{name: getattr(tick, name) for name in _TICK_FIELDS} for tick in ticks]
    await many_rows.insert(session, schedule_ticks, rows, keeps_existing=True)


async def ticks(
    session: Session, schedule_id: UUID, *, before: datetime | None, limit: int
) -> list[Tick]:
    """Outcomes of a schedule's ticks, newest first."""
    statement = sa.select(schedule_ticks).where(schedule_ticks.c.schedule_id == schedule_id)
    if before is not None:
        statement = statement.where(schedule_ticks.c.due_at < before)
    rows = await session.execute(statement.order_by(schedule_ticks.c.due_at.desc()).limit(limit))
    return [
        Tick(
            row.schedule_id,
            row.due_at,
            TickOutcome(row.outcome),
            row.reason,
            row.run_id,
            row.recorded_at,
        )
        for row in rows
    ]


async def last_skipped(
    session: Session, pipeline_id: UUID, reason: str, since: datetime
) -> list[tuple[Schedule, datetime]]:
    """The enabled schedules of a pipeline that catch up, and whose last tick was skipped for a reason; with its time."""
    newest = (
        sa.select(sa.func.max(schedule_ticks.c.due_at))
        .where(schedule_ticks.c.schedule_id == schedules.c.id)
        .correlate(schedules)
        .scalar_subquery()
    )
    rows = await session.execute(
        sa.select(schedules, schedule_ticks.c.due_at)
        .join(
            schedule_ticks,
            sa.and_(
                schedule_ticks.c.schedule_id == schedules.c.id, schedule_ticks.c.due_at == newest
            ),
        )
        .where(
            schedules.c.pipeline_id == pipeline_id,
            schedules.c.enabled,
            schedules.c.catch_up == CatchUp.LAST,
            schedule_ticks.c.reason == reason,
            schedule_ticks.c.recorded_at >= since,
        )
    )
    return [(_schedule(row), row.due_at) for row in rows]


async def forget(session: Session, forgotten: Sequence[tuple[UUID, datetime]]) -> None:
    """Delete the outcomes of ticks, each given by schedule and time, so that these ticks can be handled again."""
    statement = schedule_ticks.delete().where(
        schedule_ticks.c.schedule_id == sa.bindparam("schedule"),
        schedule_ticks.c.due_at == sa.bindparam("at", type_=schedule_ticks.c.due_at.type),
    )
    if forgotten:
        rows = [{"schedule": schedule_id, "at": due_at} for schedule_id, due_at in forgotten]
        await session.execute(statement, rows)


async def forget_ticks(session: Session, before: datetime, limit: int) -> int:
    """Delete outcomes recorded before a moment, up to a limit; returns the number deleted."""
    return await sweeping.delete_oldest(session, schedule_ticks.c.recorded_at, before, limit)


def tick_key(tick: Tick) -> UUID:
    """The page cursor of a tick: its due time in microseconds, as a UUID."""
    return UUID(int=(tick.due_at - _EPOCH) // _MICROSECOND)


def tick_moment(key: UUID) -> datetime:
    """The moment in a `tick_key`; the maximum moment if the key is out of range."""
    try:
        return _EPOCH + key.int * _MICROSECOND
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _schedule(row: sa.Row[Any]) -> Schedule:
    return Schedule(**_values(row))


def _values(row: sa.Row[Any]) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in _FIELDS}
    return {**values, "overlap": Overlap(row.overlap), "catch_up": CatchUp(row.catch_up)}


def _due(row: sa.Row[Any]) -> Due:
    return Due(
        schedule=_schedule(row),
        due_at=row.next_run_at,
        plan=row.plan,
        pipeline_status=PipelineStatus(row.pipeline_status),
        version=row.version,
        is_disabled=row.is_disabled,
        last_run=None if row.last_run is None else RunStatus(row.last_run),
        is_recorded=row.is_recorded,
    )
