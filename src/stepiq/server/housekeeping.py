"""Deletes what is over, in small batches so that nobody waits for it: one loop beside the worker."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from stepiq.accounts import housekeeping as accounts
from stepiq.core import clock, logging
from stepiq.store.database import Database, Session, StoreUnavailable
from stepiq.triggers.schedules import housekeeping as schedules
from stepiq.web import idempotency

Sweep = Callable[[Session, datetime], Awaitable[int]]

SWEEPS: tuple[Sweep, ...] = (accounts.sweep, idempotency.sweep, schedules.sweep)
"""What each domain throws away: deletes a batch in a transaction of its own, and says how many rows that were."""

_EVERY_SECONDS = 300.0
_PAUSE_SECONDS = 0.5

log = logging.get(__name__)


async def sweep(database: Database, sweeps: tuple[Sweep, ...] = SWEEPS) -> int:
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


async def sweep_for_ever(database: Database) -> None:
    """Sweep every five minutes until cancelled."""
    while True:
        deleted = await sweep(database)
        # As long as there is something, there may be more.
        await asyncio.sleep(_PAUSE_SECONDS if deleted else _EVERY_SECONDS)
