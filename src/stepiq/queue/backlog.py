"""Measures the backlog for monitoring. Reads indexes only, and at most `MOST` rows of each lane."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from stepiq.queue import direct_runs
from stepiq.queue.ticket import Queue, Ticket
from stepiq.store.database import Session

MOST = 10_000
"""Upper limit of each count."""

# The second condition on the status lets SQLite use the partial index of tickets in flight.
_WAITING = """\
SELECT count(*) AS number, min(created_at) AS oldest_ms, {now_ms} AS now_ms
FROM (
    SELECT created_at FROM {schema}workflow_status
    WHERE queue_name = :lane AND status = 'ENQUEUED' AND status IN ('ENQUEUED', 'PENDING')
    ORDER BY priority, created_at LIMIT {most}
) AS first_in_line"""
_HELD = """\
SELECT count(*) FROM (
    SELECT id FROM runs WHERE ticket = 0 AND status = 'pending' LIMIT {most}
) AS held"""
# The age is measured with the store's own clock, which also set `created_at`.
_STORES = {
    "sqlite": {"schema": "", "now_ms": "(julianday('now') - 2440587.5) * 86400000"},
    "postgresql": {"schema": "dbos.", "now_ms": "EXTRACT(EPOCH FROM now()) * 1000"},
}
WAITING = {
    dialect: sa.text(_WAITING.format(most=MOST, **parts)) for dialect, parts in _STORES.items()
}
"""Query for the tickets enqueued in `:lane`, by dialect."""
HELD = sa.text(_HELD.format(most=MOST))
"""Query for the runs that wait for a slot of their plan."""


# Of each run, when its ticket was created, and whether a worker has claimed it.
_OLDEST = """\
SELECT workflow_uuid, status, created_at AS created_ms, {now_ms} AS now_ms FROM {schema}workflow_status
WHERE queue_name IN (:first, :others) AND status IN ('ENQUEUED', 'PENDING')
ORDER BY created_at LIMIT :most"""
OLDEST = {dialect: sa.text(_OLDEST.format(**parts)) for dialect, parts in _STORES.items()}
"""Query for the oldest tickets of runs, by dialect."""


@dataclass(frozen=True, slots=True)
class WaitingTickets:
    """The tickets of one queue that no worker has claimed."""

    number: int
    oldest_seconds: float
    """Age of the oldest ticket; 0 if the queue is empty."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """All waiting tickets and runs."""

    queues: dict[Queue, WaitingTickets]
    held_runs: int
    """Accepted runs that are not enqueued because their workspace is at its plan's limit of concurrent runs."""


async def read(session: Session) -> Backlog:
    """Count waiting tickets by queue, up to `MOST` in each lane, and held runs, up to `MOST`."""
    statement = WAITING[session.dialect]
    queues: dict[Queue, WaitingTickets] = {}
    for queue in Queue:
        number, oldest = 0, 0.0
        for lane in queue.lanes:
            row = (await session.execute(statement, {"lane": lane})).one()
            number += row.number
            if row.oldest_ms is not None:
                oldest = max(oldest, (float(row.now_ms) - float(row.oldest_ms)) / 1000)
        queues[queue] = WaitingTickets(number, oldest)
    return Backlog(queues, await session.scalar(HELD))


async def oldest_runs(session: Session, most: int) -> dict[UUID, float | None]:
    """The oldest runs with a worker, and those that wait for one: for how many seconds, or None if they have one."""
    first, others = Queue.RUNS.lanes
    rows = await session.execute(
        OLDEST[session.dialect], {"first": first, "others": others, "most": most}
    )
    found: dict[UUID, float | None] = {}
    for row in rows:
        seconds = (float(row.now_ms) - float(row.created_ms)) / 1000
        waits = row.status == "ENQUEUED"
        found[Ticket.parse(row.workflow_uuid).subject_id] = seconds if waits else None
    return found | dict.fromkeys(await direct_runs.oldest(session, most))
