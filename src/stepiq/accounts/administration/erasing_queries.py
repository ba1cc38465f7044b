"""Statements that erase a workspace. Each batch deletes a bounded number of rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.store import sweeping
from stepiq.store.database import Session
from stepiq.store.tables import (
    audit_chains,
    bulk_items,
    bulk_jobs,
    deliveries,
    metadata,
    pipeline_versions,
    pipelines,
    refresh_tokens,
    runs,
    schedule_ticks,
    schedules,
    sessions,
    workspaces,
)

_ROWS = 500
"""Maximum rows of a batch."""
_RUNS = 100
_EVENTS = 500
"""Maximum events of the runs of a batch of at least one run. The rows of a run grow with its events."""


async def to_erase(session: Session, before: datetime, limit: int) -> list[UUID]:
    """Workspaces that were deleted before a moment."""
    rows = await session.execute(
        sa.select(workspaces.c.id)
        .where(workspaces.c.deleted_at <= before)
        .order_by(workspaces.c.deleted_at)
        .limit(limit)
    )
    return list(rows.scalars())


async def lock(session: Session, workspace_id: UUID) -> bool:
    """Lock a deleted workspace; False if it is gone, or another process has locked it."""
    statement = (
        sa.select(workspaces.c.id)
        .where(workspaces.c.id == workspace_id, workspaces.c.deleted_at.is_not(None))
        .with_for_update(skip_locked=True)
    )
    return await session.scalar(statement) is not None


async def delete_batch(session: Session, workspace_id: UUID) -> int:
    """Delete some rows of a workspace, dependent ones first; 0 if there are none left."""
    # Runs first: their steps, events, reviews and deliveries are deleted with them.
    if deleted := await _delete_runs(session, workspace_id):
        return deleted
    for table, condition in _parts(workspace_id):
        if deleted := await _delete_some(session, table, condition):
            return deleted
    return 0


async def delete_workspace(session: Session, workspace_id: UUID) -> None:
    """Delete the row of a workspace without other rows. If a row remains, a foreign key prevents it."""
    await session.execute(sa.delete(audit_chains).where(audit_chains.c.id == workspace_id))
    await session.execute(sa.delete(workspaces).where(workspaces.c.id == workspace_id))


def owned_tables() -> list[sa.Table]:
    """The tables whose rows belong to a workspace, the dependent ones first."""
    return [table for table in reversed(metadata.sorted_tables) if "workspace_id" in table.c]


def _parts(workspace_id: UUID) -> Sequence[tuple[sa.Table, sa.ColumnElement[bool]]]:
    """The rows to delete, in order. Tables without an index of the workspace are read through their parents first."""

    def of(parent: sa.Table, column: sa.Column[Any]) -> sa.ColumnElement[bool]:
        return column.in_(sa.select(parent.c.id).where(parent.c.workspace_id == workspace_id))

    return [
        (deliveries, of(pipelines, deliveries.c.pipeline_id)),
        # Deleted before their parents, of which one can have many.
        (schedule_ticks, of(schedules, schedule_ticks.c.schedule_id)),
        (bulk_items, of(bulk_jobs, bulk_items.c.job_id)),
        (refresh_tokens, of(sessions, refresh_tokens.c.session_id)),
        (pipeline_versions, of(pipelines, pipeline_versions.c.pipeline_id)),
        *((table, table.c.workspace_id == workspace_id) for table in owned_tables()),
    ]


async def _delete_some(session: Session, table: sa.Table, condition: sa.ColumnElement[bool]) -> int:
    chosen = sa.select(*table.primary_key).where(condition).limit(_ROWS)
    return await sweeping.delete(session, table, (await session.execute(chosen)).all())


async def _delete_runs(session: Session, workspace_id: UUID) -> int:
    oldest = (
        sa.select(runs.c.id, runs.c.last_seq)
        .where(runs.c.workspace_id == workspace_id)
        .order_by(runs.c.id)
        .limit(_RUNS)
    )
    chosen: list[tuple[UUID]] = []
    events_left = _EVENTS
    for row in await session.execute(oldest):
        events_left -= row.last_seq
        if chosen and events_left < 0:
            break
        chosen.append((row.id,))
    return await sweeping.delete(session, runs, chosen)
