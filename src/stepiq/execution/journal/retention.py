"""Deletes finished tickets in small batches, and replaces tickets that finished before their run or delivery."""

import asyncio

import sqlalchemy as sa

from stepiq.core.observability import logging
from stepiq.execution.journal.reservations import settle_left_over
from stepiq.queue.ticket import Queue, Ticket
from stepiq.queue.tickets import TicketQueue
from stepiq.store.database import Database, Session, StoreUnavailable
from stepiq.store.states import DeliveryStatus, RunStatus
from stepiq.store.tables import deliveries, runs

log = logging.get(__name__)

_EVERY_SECONDS = 30.0
_BATCH = 500
_PAUSE_SECONDS = 0.2
_POSITION = 1

# The table of each queue's subjects, and the states in which a subject must have a ticket.
_SUBJECTS: dict[Queue, tuple[sa.Table, tuple[str, ...]]] = {
    Queue.RUNS: (runs, (RunStatus.PENDING, RunStatus.RUNNING)),
    Queue.DELIVERIES: (deliveries, (DeliveryStatus.PENDING,)),
}


async def sweep_for_ever(database: Database, tickets: TicketQueue) -> None:
    """Sweep every 30 seconds until cancelled. While the store is unavailable, retry at the same interval."""
    pause = _EVERY_SECONDS
    while True:
        await asyncio.sleep(pause)
        pause = _EVERY_SECONDS
        try:
            await settle_left_over(database)
            if await sweep(database, tickets) >= _BATCH:
                pause = _PAUSE_SECONDS
        except StoreUnavailable:
            log.warning("sweep_waits_for_store")
        except Exception:
            log.exception("sweep_broke")


async def sweep(database: Database, tickets: TicketQueue) -> int:
    """Delete up to 500 finished tickets of each queue; returns their number."""
    return sum([await _sweep(database, tickets, queue) for queue in Queue])


async def _sweep(database: Database, tickets: TicketQueue, queue: Queue) -> int:
    finished = await tickets.finished(_BATCH, queue)
    if finished:
        async with database.transaction() as session:
            await _replace_tickets(session, tickets, queue, finished)
        await tickets.delete(finished)
    return len(finished)


async def _replace_tickets(
    session: Session, tickets: TicketQueue, queue: Queue, finished: list[Ticket]
) -> None:
    # A ticket finishes before its run or delivery only if recording a failure has failed, too.
    table, unended_statuses = _SUBJECTS[queue]
    unended = await session.execute(
        sa.select(table.c.id, table.c.ticket).where(
            table.c.id.in_([ticket.subject_id for ticket in finished]),
            table.c.status.in_(unended_statuses),
        )
    )
    gone = set(finished)
    for row in unended:
        if Ticket(row.id, row.ticket) in gone:
            log.error("ticket_orphaned", queue=str(queue), id=str(row.id))
            await session.execute(
                table.update().where(table.c.id == row.id).values(ticket=row.ticket + 1)
            )
            await tickets.enqueue(session, row.id, row.ticket + 1, _POSITION, queue)
