"""Lets runs go on whose moment has come."""

import asyncio

import sqlalchemy as sa

from stepiq.core import clock, logging
from stepiq.execution.admission import Admission
from stepiq.store.database import Database, StoreUnavailable
from stepiq.store.tables import runs

log = logging.get(__name__)

_EVERY_SECONDS = 1.0
BATCH = 500
"""Most runs that one look wakes."""


async def wake_for_ever(database: Database, admission: Admission) -> None:
    """Look once a second until cancelled; a store that is down is asked again the next second."""
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        try:
            # What is left when many are due at once is looked at the next second.
            await wake(database, admission)
        except StoreUnavailable:
            log.warning("waking_waits_for_store")
        except Exception:
            log.exception("waking_broke")


async def wake(database: Database, admission: Admission) -> int:
    """Wake up to 500 runs that are due, the longest due first, and say how many there were.

    Raises:
        StoreUnavailable: they stay due.
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
        # Several workers pass each other's by.
        rows = (await session.execute(due.with_for_update(skip_locked=True))).all()
        await admission.wake(session, [(row.id, row.workspace_id) for row in rows])
    return len(rows)
