"""What waits to be carried, for whoever watches the server: looked up in indexes, and never more than so much of it."""

from dataclasses import dataclass

import sqlalchemy as sa

from stepiq.queue.tickets import Queue
from stepiq.store.database import Session

MOST = 10_000
"""As many are counted of each lane, and no more."""

# The second condition on the status tells SQLite that the index of tickets in flight will do.
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
# By the store's own clock, which wrote when they came.
_STORES = {
    "sqlite": {"schema": "", "now_ms": "(julianday('now') - 2440587.5) * 86400000"},
    "postgresql": {"schema": "dbos.", "now_ms": "EXTRACT(EPOCH FROM now()) * 1000"},
}
WAITING = {
    dialect: sa.text(_WAITING.format(most=MOST, **parts)) for dialect, parts in _STORES.items()
}
"""What waits in `:lane`, by dialect."""
HELD = sa.text(_HELD.format(most=MOST))
"""Runs that wait for a slot of their plan."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one queue holds that no worker has taken yet."""

    number: int
    oldest_seconds: float
    """Age of the oldest of them; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """All that waits."""

    queues: dict[Queue, Waiting]
    held_runs: int
    """Accepted, and in no queue before a run of their workspace ends: their plan allows no more at once."""


async def read(session: Session) -> Backlog:
    """Count what waits, by queue, up to `MOST` of each lane."""
    statement = WAITING[session.connection.dialect.name]
    queues: dict[Queue, Waiting] = {}
    for queue in Queue:
        number, oldest = 0, 0.0
        for lane in queue.lanes:
            row = (await session.execute(statement, {"lane": lane})).one()
            number += row.number
            if row.oldest_ms is not None:
                oldest = max(oldest, (float(row.now_ms) - float(row.oldest_ms)) / 1000)
        queues[queue] = Waiting(number, oldest)
    return Backlog(queues, await session.scalar(HELD))
