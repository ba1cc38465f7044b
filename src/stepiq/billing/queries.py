"""Queries of usage. They read daily rollups and one row of counters, never runs."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.billing.records import GroupBy, Now, Period, Totals, UsageEntry
from stepiq.execution import usage
from stepiq.store.database import Session
from stepiq.store.tables import pipelines, usage_days, workspaces

_counts_runs = usage_days.c.model == usage.RUNS
_tokens = usage_days.c.input_tokens + usage_days.c.output_tokens
# Cast, because not every database supports MIN of booleans.
_complete = sa.func.min(sa.cast(usage_days.c.cost_complete, sa.Integer)).label("cost_complete")


def totals_statement(workspace_id: UUID, period: Period) -> sa.Select[Any]:
    """Sums over a period."""
    names = (
        "runs_completed",
        "runs_failed",
        "runs_cancelled",
        "input_tokens",
        "cached_tokens",
        "output_tokens",
        "credit_tokens",
        "cost_usd_micros",
    )
    sums: list[sa.ColumnElement[Any]] = [_sum(usage_days.c[name]).label(name) for name in names]
    return sa.select(*sums, _complete).where(*_within(workspace_id, period))


async def totals(session: Session, workspace_id: UUID, period: Period) -> Totals:
    """Sums over a period."""
    row = (await session.execute(totals_statement(workspace_id, period))).one()
    return Totals(
        completed=row.runs_completed,
        failed=row.runs_failed,
        cancelled=row.runs_cancelled,
        input_tokens=row.input_tokens,
        cached_tokens=row.cached_tokens,
        output_tokens=row.output_tokens,
        credit_tokens=row.credit_tokens,
        cost_usd_micros=row.cost_usd_micros,
        cost_complete=row.cost_complete != 0,
    )


def series_statement(
    workspace_id: UUID, period: Period, group_by: GroupBy, *, limit: int
) -> sa.Select[Any]:
    """Usage by day, in order, or by model or pipeline, those with the most tokens and then runs first."""
    key = _KEYS[group_by]
    runs = usage_days.c.runs
    conditions = _within(workspace_id, period)
    if group_by is GroupBy.MODEL:
        conditions.append(~_counts_runs)
    else:
        runs = sa.case((_counts_runs, runs), else_=0)
    grouped = (
        sa.select(
            key.label("key"),
            _sum(runs).label("runs"),
            _sum(_tokens).label("tokens"),
            _sum(usage_days.c.cost_usd_micros).label("cost_usd_micros"),
            _complete,
        )
        .where(*conditions)
        .group_by(key)
        .subquery("grouped")
    )
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
    return (
        sa.select(entries, pipelines.c.name)
        .outerjoin(
            pipelines,
            sa.and_(pipelines.c.id == entries.c.key, pipelines.c.workspace_id == workspace_id),
        )
        .order_by(entries.c.tokens.desc(), entries.c.runs.desc(), entries.c.key)
    )


async def series(session: Session, statement: sa.Select[Any]) -> list[UsageEntry]:
    """Execute `series_statement`."""
    return [
        UsageEntry(
            key=str(row["key"]),
            name=row.get("name"),
            runs=row["runs"],
            tokens=row["tokens"],
            cost_usd_micros=row["cost_usd_micros"],
            cost_complete=row["cost_complete"] != 0,
        )
        for row in (await session.execute(statement)).mappings()
    ]


async def now(session: Session, workspace_id: UUID, moment: datetime) -> Now:
    """Current counters of a workspace."""
    row = (
        await session.execute(
            sa.select(
                workspaces.c.unfinished_runs,
                usage.credit_tokens(sa.literal(usage.month_of(moment))).label("tokens"),
            ).where(workspaces.c.id == workspace_id)
        )
    ).one()
    return Now(row.unfinished_runs, row.tokens)


_KEYS: dict[GroupBy, sa.Column[Any]] = {
    GroupBy.DAY: usage_days.c.day,
    GroupBy.MODEL: usage_days.c.model,
    GroupBy.PIPELINE: usage_days.c.pipeline_id,
}


def _within(workspace_id: UUID, period: Period) -> list[sa.ColumnElement[bool]]:
    return [
        usage_days.c.workspace_id == workspace_id,
        usage_days.c.day >= period.first.isoformat(),
        usage_days.c.day <= period.last.isoformat(),
    ]


def _sum(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    # PostgreSQL returns sums of large integers as decimals.
    return sa.cast(sa.func.coalesce(sa.func.sum(column), 0), sa.BigInteger)
