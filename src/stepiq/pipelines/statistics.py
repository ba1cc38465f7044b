"""Statistics of pipelines over the last seven days, for lists. They read daily rollups, never runs."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.pipelines.records import PipelineDay, PipelineStats
from stepiq.store.database import Session
from stepiq.store.tables import pipelines, schedules, usage_days


def days_statement(
    workspace_id: UUID, pipeline_ids: Sequence[UUID], days: Sequence[str]
) -> sa.Select[Any]:
    """Usage of these pipelines on these days."""
    used = usage_days.c
    # The row without a model counts runs.
    counts = {
        name: sa.case((used.model == "", used[column]), else_=0)
        for name, column in (
            ("runs", "runs"),
            ("completed", "runs_completed"),
            ("failed", "runs_failed"),
            ("cancelled", "runs_cancelled"),
        )
    }
    sums: dict[str, sa.ColumnElement[Any]] = {**counts, "cost_usd_micros": used.cost_usd_micros}
    # PostgreSQL returns sums of large integers as decimals, and has no minimum of booleans.
    columns = [
        sa.cast(sa.func.sum(column), sa.BigInteger).label(name) for name, column in sums.items()
    ]
    complete = sa.func.min(sa.cast(used.cost_complete, sa.Integer)).label("cost_complete")
    return (
        sa.select(used.pipeline_id, used.day, *columns, complete)
        .where(
            used.workspace_id == workspace_id,
            used.day.in_(days),
            used.pipeline_id.in_(pipeline_ids),
        )
        .group_by(used.pipeline_id, used.day)
    )


async def read_days(session: Session, statement: sa.Select[Any]) -> list[PipelineDay]:
    """Execute `days_statement`."""
    return [
        PipelineDay(**{**row, "cost_complete": row["cost_complete"] != 0})
        for row in (await session.execute(statement)).mappings()
    ]


def next_runs_statement(pipeline_ids: Sequence[UUID]) -> sa.Select[Any]:
    """The next time at which a schedule starts each of these pipelines. Paused ones have none."""
    columns: list[sa.ColumnElement[Any]] = [
        schedules.c.pipeline_id,
        sa.func.min(schedules.c.next_run_at).label("at"),
    ]
    return (
        sa.select(*columns)
        .join(pipelines, pipelines.c.id == schedules.c.pipeline_id)
        .where(
            schedules.c.pipeline_id.in_(pipeline_ids),
            schedules.c.enabled,
            schedules.c.next_run_at.is_not(None),
            pipelines.c.paused_at.is_(None),
        )
        .group_by(schedules.c.pipeline_id)
    )


async def read_next_runs(session: Session, statement: sa.Select[Any]) -> dict[UUID, datetime]:
    """Execute `next_runs_statement`."""
    return {row.pipeline_id: row.at for row in await session.execute(statement)}


DAYS = 7


async def of_pipelines(
    session: Session, workspace_id: UUID, pipeline_ids: Sequence[UUID], today: date
) -> dict[UUID, PipelineStats]:
    """Statistics of some pipelines of the workspace, with two statements for all of them."""
    if not pipeline_ids:
        return {}
    days = [(today - timedelta(days=ago)).isoformat() for ago in reversed(range(DAYS))]
    found = await read_days(session, days_statement(workspace_id, pipeline_ids, days))
    next_runs = await read_next_runs(session, next_runs_statement(pipeline_ids))
    by_pipeline: defaultdict[UUID, list[PipelineDay]] = defaultdict(list)
    for each in found:
        by_pipeline[each.pipeline_id].append(each)
    return {
        pipeline_id: PipelineStats(
            days=days,
            next_run_at=next_runs.get(pipeline_id),
            **_sums(days, by_pipeline[pipeline_id]),
        )
        for pipeline_id in pipeline_ids
    }


def _sums(days: Sequence[str], found: Iterable[PipelineDay]) -> dict[str, Any]:
    by_day = {each.day: each for each in found}
    counted = by_day.values()
    completed, failed = (
        sum(getattr(each, name) for each in counted) for name in ("completed", "failed")
    )
    return {
        "runs": [by_day[day].runs if day in by_day else 0 for day in days],
        "completed": completed,
        "failed": failed,
        "cancelled": sum(each.cancelled for each in counted),
        "success_rate": completed / (completed + failed) if completed + failed else None,
        "cost_usd_micros": sum(each.cost_usd_micros for each in counted),
        "cost_complete": all(each.cost_complete for each in counted),
    }
