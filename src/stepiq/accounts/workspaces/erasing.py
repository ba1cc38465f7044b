"""Erases the data of workspaces that were marked as deleted, in batches in the background.

The rows themselves are the progress, so an erasure that was interrupted, such as by `kill -9`, continues where it was.
A workspace's own row is deleted last, when no other row refers to it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.audit.queries import lock_chains
from stepiq.accounts.authentication import disabling
from stepiq.core import clock
from stepiq.core.observability import logging
from stepiq.execution.runtime import Engine
from stepiq.store.database import PATIENT_SECONDS, Database, Session, StoreUnavailable
from stepiq.store.statements import sweeping
from stepiq.store.tables import (
    audit_chains,
    audit_entries,
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
"""Maximum events of the runs of a batch. The rows of a run grow with its events."""


Delete = Callable[[Session], Awaitable[int]]
"""Deletes a bounded number of rows in a transaction, and returns their number."""


async def to_erase(session: Session, before: datetime) -> list[UUID]:
    """All workspaces that were deleted before a moment, so that those that cannot be erased delay no others."""
    rows = await session.execute(
        sa.select(workspaces.c.id)
        .where(workspaces.c.deleted_at <= before)
        .order_by(workspaces.c.deleted_at)
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


def parts(workspace_id: UUID) -> list[Delete]:
    """Functions that delete the rows of a workspace. Each is called until it returns 0, in this order: dependents first."""

    def of(parent: sa.Table, column: sa.Column[Any]) -> sa.ColumnElement[bool]:
        return column.in_(sa.select(parent.c.id).where(parent.c.workspace_id == workspace_id))

    # Tables without an index of the workspace are read through their parents. A parent can have many of these rows.
    conditions = [
        (deliveries, of(pipelines, deliveries.c.pipeline_id)),
        (schedule_ticks, of(schedules, schedule_ticks.c.schedule_id)),
        (bulk_items, of(bulk_jobs, bulk_items.c.job_id)),
        (refresh_tokens, of(sessions, refresh_tokens.c.session_id)),
        (pipeline_versions, of(pipelines, pipeline_versions.c.pipeline_id)),
        *((table, table.c.workspace_id == workspace_id) for table in owned_tables()),
    ]
    # Runs first: their steps, events, reviews and deliveries are deleted with them.
    return [
        partial(_delete_runs, workspace_id),
        *(partial(_delete_some, *each) for each in conditions),
    ]


async def delete_workspace(session: Session, workspace_id: UUID) -> None:
    """Delete the row of a workspace without other rows. If a row remains, a foreign key prevents it.

    Entries of its audit log have no foreign key. Those that appeared meanwhile are deleted with the chain.
    """
    await lock_chains(session)
    await session.execute(
        sa.delete(audit_entries).where(audit_entries.c.workspace_id == workspace_id)
    )
    await session.execute(sa.delete(audit_chains).where(audit_chains.c.id == workspace_id))
    await session.execute(sa.delete(workspaces).where(workspaces.c.id == workspace_id))


def owned_tables() -> list[sa.Table]:
    """The tables whose rows belong to a workspace, the dependent ones first."""
    return [table for table in reversed(metadata.sorted_tables) if "workspace_id" in table.c]


async def _delete_some(table: sa.Table, condition: sa.ColumnElement[bool], session: Session) -> int:
    if table is audit_entries:
        await lock_chains(session)
    chosen = sa.select(*table.primary_key).where(condition).limit(_ROWS)
    return await sweeping.delete(session, table, (await session.execute(chosen)).all())


async def _delete_runs(workspace_id: UUID, session: Session) -> int:
    oldest = (
        sa.select(*sweeping.RUN_COLUMNS)
        .where(runs.c.workspace_id == workspace_id)
        .order_by(runs.c.id)
        .limit(_RUNS)
    )
    chosen = sweeping.runs_within((await session.execute(oldest)).all(), _EVENTS)
    if chosen and (deleted := await sweeping.delete_large(session, chosen[0], _EVENTS)):
        return deleted
    return await sweeping.delete(session, runs, [(row.id,) for row in chosen])


log = logging.get(__name__)

GRACE = timedelta(seconds=10)
"""How long after its deletion a workspace is erased. Other processes trust its credentials for up to five seconds."""

_EVERY_SECONDS = 5.0
_PAUSE_SHARE = 3
"""Ratio of a pause to the batch before it, so that other transactions have most of the time."""


class Eraser:
    """Erases workspaces of one database. Several processes share the work."""

    def __init__(self, database: Database, engine: Engine) -> None:
        self._database = database
        self._engine = engine

    async def run_for_ever(self) -> None:
        """Look for workspaces to erase every five seconds, until cancelled."""
        while True:
            try:
                await self.erase_all()
            except StoreUnavailable:
                log.warning("erasing_waits_for_store")
            except Exception:
                log.exception("erasing_broke")
            await asyncio.sleep(_EVERY_SECONDS)

    async def erase_all(self) -> int:
        """Erase the workspaces whose deletion is long enough ago; returns the number that no longer exist.

        If one cannot be erased, the others still are.
        """
        async with self._database.reading() as session:
            found = await to_erase(session, clock.now() - GRACE)
        erased = 0
        for workspace_id in found:
            try:
                erased += await self.erase(workspace_id)
            except StoreUnavailable:
                log.warning("erasing_waits_for_store", workspace_id=str(workspace_id))
            except Exception:
                log.exception("erasing_broke", workspace_id=str(workspace_id))
        return erased

    async def erase(self, workspace_id: UUID) -> bool:
        """Erase one workspace; False if another process is erasing it."""
        await disabling.cancel_runs_of(self._database, self._engine, [workspace_id])
        for delete in parts(workspace_id):
            deleted = 1
            while deleted:
                began = time.monotonic()
                async with self._database.transaction(PATIENT_SECONDS) as session:
                    if not await lock(session, workspace_id):
                        return False
                    deleted = await delete(session)
                await asyncio.sleep(_PAUSE_SHARE * (time.monotonic() - began))
        async with self._database.transaction(PATIENT_SECONDS) as session:
            if not await lock(session, workspace_id):
                return False
            await delete_workspace(session, workspace_id)
        log.info("workspace_erased", workspace_id=str(workspace_id))
        return True
