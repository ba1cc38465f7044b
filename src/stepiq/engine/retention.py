"""Throws finished tickets away, in small batches so that nobody waits for it; a run that its ticket left behind gets another."""

import asyncio

import sqlalchemy as sa

from stepiq.core import logging
from stepiq.engine.tickets import Ticket, TicketQueue
from stepiq.store.database import Database, Session, StoreUnavailable
from stepiq.store.states import RunStatus
from stepiq.store.tables import runs

log = logging.get(__name__)

_EVERY_SECONDS = 30.0
_BATCH = 500
_PAUSE_SECONDS = 0.2


async def sweep_for_ever(database: Database, tickets: TicketQueue) -> None:
    """Sweep every 30 seconds until cancelled; a store that is down is tried again at the next turn."""
    pause = _EVERY_SECONDS
    while True:
        await asyncio.sleep(pause)
        pause = _EVERY_SECONDS
        try:
            if await sweep(database, tickets) == _BATCH:
                pause = _PAUSE_SECONDS
        except StoreUnavailable:
            log.warning("sweep_waits_for_store")
        except Exception:
            log.exception("sweep_broke")


async def sweep(database: Database, tickets: TicketQueue) -> int:
    """Delete up to 500 finished tickets, and say how many there were."""
    finished = await tickets.finished(_BATCH)
    if finished:
        async with database.transaction() as session:
            await _carry_on_orphans(session, tickets, finished)
        await tickets.delete(finished)
    return len(finished)


async def _carry_on_orphans(session: Session, tickets: TicketQueue, finished: list[Ticket]) -> None:
    # A ticket ends before its run only through a fault that even recording the failure ran into.
    unended = await session.execute(
        sa.select(runs.c.id, runs.c.ticket).where(
            runs.c.id.in_([ticket.run_id for ticket in finished]),
            runs.c.status.in_((RunStatus.PENDING, RunStatus.RUNNING)),
        )
    )
    gone = set(finished)
    for row in unended:
        if Ticket(row.id, row.ticket) in gone:
            log.error("run_orphaned", run_id=str(row.id))
            await session.execute(
                runs.update().where(runs.c.id == row.id).values(ticket=row.ticket + 1)
            )
            await tickets.enqueue(session, row.id, row.ticket + 1, 1)
