"""Deletes what is over, in small batches so that nobody waits for it: one loop beside each worker."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from stepiq.accounts import housekeeping as accounts
from stepiq.core import clock, logging
from stepiq.core.settings import Settings
from stepiq.notify import housekeeping as deliveries
from stepiq.runs import housekeeping as runs
from stepiq.store.database import Database, Session, StoreUnavailable
from stepiq.triggers.schedules import housekeeping as schedules
from stepiq.web import idempotency

Sweep = Callable[[Session, datetime], Awaitable[int]]

_EVERY_SECONDS = 300.0
_PAUSE_SECONDS = 0.1
_PAUSE_SHARE = 9
"""Pauses are at least this many times as long as the turn before: sweeping takes a tenth of the time, however slow the store."""

log = logging.get(__name__)


def sweeps(settings: Settings) -> tuple[Sweep, ...]:
    """What each domain throws away: deletes a batch in a transaction of its own, and says how many rows that were."""
    always: tuple[Sweep, ...] = (
        accounts.sweep,
        idempotency.sweep,
        schedules.sweep,
        deliveries.sweep_recipients,
    )
    if not settings.run_retention_days:
        return always
    kept = timedelta(days=settings.run_retention_days)
    return (*always, partial(runs.sweep, kept=kept), partial(deliveries.sweep, kept=kept))


async def sweep(database: Database, sweeps: Sequence[Sweep]) -> int:
    """Let every domain delete one batch, and say how many rows went. One that fails holds up none of the others."""
    deleted = 0
    for each in sweeps:
        try:
            async with database.transaction() as session:
                deleted += await each(session, clock.now())
        except StoreUnavailable:
            log.warning("housekeeping_waits_for_store")
        except Exception:
            log.exception("housekeeping_broke")
    return deleted


async def sweep_for_ever(database: Database, sweeps: Sequence[Sweep]) -> None:
    """Sweep every five minutes until cancelled."""
    while True:
        begun = time.monotonic()
        deleted = await sweep(database, sweeps)
        took = time.monotonic() - begun
        # As long as there is something, there may be more.
        pause = max(_PAUSE_SECONDS, _PAUSE_SHARE * took) if deleted else _EVERY_SECONDS
        await asyncio.sleep(pause)
