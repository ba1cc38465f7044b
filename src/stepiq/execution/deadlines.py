"""The time limit of a run that lost its worker."""

from datetime import timedelta

import sqlalchemy as sa

from stepiq.core import clock, logging
from stepiq.execution.records import ClaimedRun
from stepiq.store.database import Database
from stepiq.store.tables import run_events, runs

log = logging.get(__name__)


async def restore(database: Database, run: ClaimedRun, limit: timedelta) -> None:
    """Give a run whose time is up the time back that it had when its last worker stopped; once for each run.

    What looks like a long interruption may be a clock that was set, which no other process can tell.

    Args:
        database: of the run.
        run: claimed by this worker. Gets its new deadline.
        limit: how long runs of its pipeline may take.

    Raises:
        StoreUnavailable: the database does not answer.
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
