"""Queries over all workspaces. Each reads a bounded number of rows."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from stepiq.queue import backlog
from stepiq.store.database import Session
from stepiq.store.states import FINAL_RUN_STATUSES, DeliveryStatus
from stepiq.store.tables import deliveries, pipelines, runs

_NEWEST_DELIVERIES = 1_000
_TICKETS = 1_000
_LATE = timedelta(minutes=1)

Row = sa.Row[Any]

_RUN = (
    runs.c.id,
    runs.c.workspace_id,
    runs.c.pipeline_id,
    pipelines.c.name.label("pipeline_name"),
    runs.c.status,
    runs.c.crashes,
    runs.c.created_at,
    runs.c.started_at,
    runs.c.deadline_at,
)


async def stuck_runs(session: Session, now: datetime, limit: int) -> list[tuple[Row, str]]:
    """Runs without progress, the oldest first, each with the reason."""
    tickets = await backlog.oldest_runs(session, _TICKETS)
    statement = sa.select(*_RUN).join(pipelines, pipelines.c.id == runs.c.pipeline_id)
    found: list[tuple[Row, str]] = []
    rows = await session.execute(
        statement.where(runs.c.id.in_(tickets), runs.c.status.not_in(FINAL_RUN_STATUSES))
    )
    for row in rows:
        waits_for = tickets[row.id]
        if row.deadline_at < now:
            found.append((row, "overdue"))
        elif row.crashes:
            found.append((row, "crashing"))
        elif waits_for is not None and waits_for > _LATE.total_seconds():
            found.append((row, "waiting_for_worker"))
    late = statement.where(runs.c.wake_at < now - _LATE).order_by(runs.c.wake_at).limit(limit)
    found += [(row, "not_woken") for row in await session.execute(late)]
    return sorted(found, key=lambda each: each[0].id)[:limit]


async def failing_deliveries(session: Session, limit: int) -> Sequence[Row]:
    """Failed and repeated deliveries among the newest 1,000, newest first."""
    newest = sa.select(deliveries.c.id).order_by(deliveries.c.id.desc()).limit(_NEWEST_DELIVERIES)
    statement = (
        sa.select(
            deliveries.c.id,
            deliveries.c.run_id,
            deliveries.c.workspace_id,
            deliveries.c.pipeline_id,
            pipelines.c.name.label("pipeline_name"),
            deliveries.c.target,
            deliveries.c.status,
            deliveries.c.attempts,
            deliveries.c.error,
            deliveries.c.created_at,
        )
        .join(pipelines, pipelines.c.id == deliveries.c.pipeline_id)
        .where(
            deliveries.c.id.in_(newest),
            sa.or_(
                deliveries.c.status == DeliveryStatus.FAILED,
                sa.and_(deliveries.c.status == DeliveryStatus.PENDING, deliveries.c.attempts > 1),
            ),
        )
        .order_by(deliveries.c.id.desc())
        .limit(limit)
    )
    return (await session.execute(statement)).all()
