"""Queries of usage. They read daily rollups, one row of counters, and of runs only the number of waiting ones."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.billing.records import DailyUsage, GroupBy, Now, Period, Totals, UsageEntry
from stepiq.execution.limits import usage
from stepiq.store.database import Session
from stepiq.store.states import PipelineStatus, RunStatus, TriggerType
from stepiq.store.tables import (
    api_keys,
    pipelines,
    runs,
    schedules,
    usage_caller_days,
    usage_days,
    users,
    workspaces,
)

_counts_runs = usage_days.c.model == usage.RUNS


def totals_statement(workspace_id: UUID, period: Period) -> sa.Select[Any]:
    """Sums over a period, in the order of `Totals`."""
    used = usage_days.c
    sums = [
        used.runs_completed,
        used.runs_failed,
        used.runs_cancelled,
        used.input_tokens,
        used.cached_tokens,
        used.output_tokens,
        used.credit_tokens,
        used.cost_usd_micros,
    ]
    columns: list[sa.ColumnElement[Any]] = [*map(_sum, sums), _is_complete(usage_days)]
    return sa.select(*columns).where(*_within(workspace_id, period))


async def totals(session: Session, workspace_id: UUID, period: Period) -> Totals:
    """Sums over a period."""
    return Totals(*(await session.execute(totals_statement(workspace_id, period))).one())


def series_statement(
    workspace_id: UUID, period: Period, group_by: GroupBy, *, limit: int
) -> sa.Select[Any]:
    """Usage by day, in order, or by another key, those with the most tokens and then runs first."""
    key = _KEYS[group_by]
    columns, conditions = _counted(workspace_id, period, group_by)
    grouped = sa.select(key.label("key"), *columns).where(*conditions).group_by(key)
    grouped = grouped.subquery("grouped")
    if group_by is GroupBy.DAY:
        return sa.select(grouped).order_by(grouped.c.key).limit(limit)
    largest = (
        sa.select(grouped)
        .order_by(grouped.c.tokens.desc(), grouped.c.runs.desc(), grouped.c.key)
        .limit(limit)
    )
    if group_by is GroupBy.MODEL:
        return largest
    entries = largest.subquery("entries")
    if group_by is GroupBy.CALLER:
        # Ids are unique over all tables.
        names = (
            sa.select(table.c.name).where(table.c.id == entries.c.key).scalar_subquery()
            for table in (api_keys, schedules, users)
        )
        named = sa.select(entries, sa.func.coalesce(*names).label("name"))
        return named.order_by(entries.c.tokens.desc(), entries.c.runs.desc(), entries.c.key)
    return (
        sa.select(entries, pipelines.c.name)
        .outerjoin(
            pipelines,
            sa.and_(pipelines.c.id == entries.c.key, pipelines.c.workspace_id == workspace_id),
        )
        .order_by(entries.c.tokens.desc(), entries.c.runs.desc(), entries.c.key)
    )


def daily_statement(
    workspace_id: UUID, period: Period, group_by: GroupBy, keys: Sequence[str]
) -> sa.Select[Any]:
    """Usage by day and by these keys, and by day for all other keys together."""
    column = _KEYS[group_by]
    columns, conditions = _counted(workspace_id, period, group_by)
    wanted = [UUID(key) if isinstance(column.type, sa.Uuid) else key for key in keys]
    key = sa.case((column.in_(wanted), column), else_=None).label("key")
    day = column.table.c.day
    grouped = sa.select(day.label("day"), key, *columns).where(*conditions).group_by(day, key)
    # The rest comes last on both stores.
    return grouped.order_by(day, sa.case((key.is_(None), 1), else_=0), key)


async def daily(session: Session, statement: sa.Select[Any]) -> list[DailyUsage]:
    """Execute `daily_statement`."""
    rows: Sequence[Any] = (await session.execute(statement)).all()
    return [
        DailyUsage(row.day, None if row.key is None else str(row.key), *row[2:]) for row in rows
    ]


async def series(session: Session, statement: sa.Select[Any]) -> list[UsageEntry]:
    """Execute `series_statement`."""
    return [UsageEntry(str(key), *rest) for key, *rest in await session.execute(statement)]


async def now(session: Session, workspace_id: UUID, moment: datetime) -> Now:
    """Current counters of a workspace."""
    statement = sa.select(
        workspaces.c.unfinished_runs,
        workspaces.c.admitted_runs,
        _waiting_runs(workspace_id),
        usage.runs_today(),
        usage.credit_tokens(),
        _active_pipelines(workspace_id),
    ).where(workspaces.c.id == workspace_id)
    moments = {**usage.days(moment), **usage.months(moment)}
    return Now(*(await session.execute(statement, moments)).one())


def _waiting_runs(workspace_id: UUID) -> sa.ScalarSelect[int]:
    # With the list of triggers, an index finds them without scanning the history.
    return (
        sa.select(sa.func.count())
        .select_from(runs)
        .where(
            runs.c.workspace_id == workspace_id,
            runs.c.trigger_type.in_(TriggerType),
            runs.c.status == RunStatus.WAITING,
        )
        .scalar_subquery()
    )


def _active_pipelines(workspace_id: UUID) -> sa.ScalarSelect[int]:
    return (
        sa.select(sa.func.count())
        .select_from(pipelines)
        .where(
            pipelines.c.workspace_id == workspace_id,
            pipelines.c.status == PipelineStatus.ACTIVE,
            pipelines.c.is_unsaved.is_(False),
        )
        .scalar_subquery()
    )


_KEYS: dict[GroupBy, sa.Column[Any]] = {
    GroupBy.DAY: usage_days.c.day,
    GroupBy.MODEL: usage_days.c.model,
    GroupBy.PIPELINE: usage_days.c.pipeline_id,
    GroupBy.CALLER: usage_caller_days.c.caller_id,
}


def _counted(
    workspace_id: UUID, period: Period, group_by: GroupBy
) -> tuple[list[sa.ColumnElement[Any]], list[sa.ColumnElement[bool]]]:
    """The sums of a series, and the conditions for its rows."""
    table = usage_caller_days if group_by is GroupBy.CALLER else usage_days
    conditions = _within(workspace_id, period, table)
    number: sa.ColumnElement[int] = table.c.runs
    if group_by is GroupBy.MODEL:
        conditions.append(~_counts_runs)
    elif group_by is not GroupBy.CALLER:
        number = sa.case((_counts_runs, number), else_=0)
    return [
        _sum(number).label("runs"),
        _sum(table.c.input_tokens + table.c.output_tokens).label("tokens"),
        _sum(table.c.cost_usd_micros).label("cost_usd_micros"),
        _is_complete(table).label("cost_complete"),
    ], conditions


def _is_complete(table: sa.Table) -> sa.ColumnElement[bool]:
    # Cast, because not every database supports MIN of booleans.
    least = sa.func.min(sa.cast(table.c.cost_complete, sa.Integer))
    return sa.func.coalesce(least, 1) != 0


def _within(
    workspace_id: UUID, period: Period, table: sa.Table = usage_days
) -> list[sa.ColumnElement[bool]]:
    return [
        table.c.workspace_id == workspace_id,
        table.c.day >= period.first.isoformat(),
        table.c.day <= period.last.isoformat(),
    ]


def _sum(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    # PostgreSQL returns sums of large integers as decimals.
    return sa.cast(sa.func.coalesce(sa.func.sum(column), 0), sa.BigInteger)
