"""Restores the deadline of an interrupted run."""

from datetime import timedelta

import sqlalchemy as sa

from stepiq.core import clock
from stepiq.core.observability import logging
from stepiq.execution.records.run import ClaimedRun
from stepiq.store.database import Database
from stepiq.store.tables import run_events, runs

log = logging.get(__name__)


async def restore(database: Database, run: ClaimedRun, limit: timedelta) -> None:
    """Give an expired run the time that it had left at its last recorded event. Applies once per run.

    A long interruption cannot be distinguished from a change of the system clock.

    Args:
        database: the database of the run.
        run: a run that this worker has claimed. Its `deadline_at` is updated.
        limit: the time limit of its pipeline.

    Raises:
        StoreUnavailable: the database does not respond.
    """
    now = clock.now()
    was_restored = run.deadline_at - run.created_at > limit
    if now < run.deadline_at or was_restored:
        return
    async with database.transaction() as session:
        last_sign = await session.scalar(
            sa.select(sa.func.max(run_events.c.created_at)).where(run_events.c.run_id == run.id)
        )
        if last_sign is None or last_sign >= run.deadline_at:
            return
        deadline_at = now + (run.deadline_at - last_sign)
        await session.execute(
            runs.update()
            .where(runs.c.id == run.id, runs.c.claim == run.claim)
            .values(deadline_at=deadline_at)
        )
    log.info("run_deadline_restored", seconds_left=(deadline_at - now).total_seconds())
    run.deadline_at = deadline_at
