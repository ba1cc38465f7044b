"""Resumes waiting runs that are due."""

import asyncio

import sqlalchemy as sa

from stepiq.core import clock
from stepiq.core.observability import logging
from stepiq.execution.admission.control import Admission
from stepiq.store.database import Database, StoreUnavailable
from stepiq.store.tables import runs

log = logging.get(__name__)

_EVERY_SECONDS = 1.0
BATCH = 500
"""Maximum number of runs per call of `wake`."""


async def wake_for_ever(database: Database, admission: Admission) -> None:
    """Wake due runs once a second until cancelled. While the store is unavailable, retry at the same interval."""
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        try:
            # Due runs beyond one batch are woken a second later.
            await wake(database, admission)
        except StoreUnavailable:
            log.warning("waking_waits_for_store")
        except Exception:
            log.exception("waking_broke")


async def wake(database: Database, admission: Admission) -> int:
    """Wake up to 500 due runs, the longest due first; returns their number.

    Raises:
        StoreUnavailable: the runs stay due.
    """
    due = (
        sa.select(runs.c.id, runs.c.workspace_id)
        .where(runs.c.wake_at.is_not(None), runs.c.wake_at <= clock.now())
        .order_by(runs.c.wake_at)
        .limit(BATCH)
    )
    async with database.reading() as session:
        if not (await session.execute(due.limit(1))).all():
            return 0
    async with database.transaction() as session:
        # SKIP LOCKED lets several workers wake different runs at the same time.
        rows = (await session.execute(due.with_for_update(skip_locked=True))).all()
        await admission.wake(session, [(row.id, row.workspace_id) for row in rows])
    return len(rows)
