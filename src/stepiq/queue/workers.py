"""The worker processes of a database, and the tickets that they hold."""

from collections import defaultdict
from dataclasses import dataclass

import sqlalchemy as sa

from stepiq.queue import direct_runs
from stepiq.queue.ticket import Queue
from stepiq.queue.worker_lease import Presence
from stepiq.store.database import Session

# The second condition on the status lets SQLite use the partial index of tickets in flight.
_HELD = """\
SELECT executor_id, queue_name, count(*) AS number FROM {schema}workflow_status
WHERE status = 'PENDING' AND status IN ('ENQUEUED', 'PENDING') AND executor_id IS NOT NULL
GROUP BY executor_id, queue_name"""
_STATEMENTS = {
    "sqlite": sa.text(_HELD.format(schema="")),
    "postgresql": sa.text(_HELD.format(schema="dbos.")),
}
_QUEUES = {lane: queue for queue in Queue for lane in queue.lanes}


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker process."""

    name: str
    is_live: bool
    """Whether it holds its lease."""
    is_this_process: bool
    runs: int
    """Runs that it executes, and tickets of runs that it holds."""
    deliveries: int


async def read(session: Session, presence: Presence) -> list[WorkerState]:
    """The workers that hold a lease or tickets, sorted by name."""
    held: defaultdict[tuple[str, Queue], int] = defaultdict(int)
    for row in await session.execute(_STATEMENTS[session.dialect]):
        if (queue := _QUEUES.get(row.queue_name)) is not None:
            held[row.executor_id, queue] += row.number
    for executor_id, number in (await direct_runs.count(session)).items():
        held[executor_id, Queue.RUNS] += number
    live = await presence.present(session)
    names = sorted({*live, *(name for name, _ in held)})
    return [
        WorkerState(
            name=name,
            is_live=name in live,
            is_this_process=name == presence.executor_id,
            runs=held.get((name, Queue.RUNS), 0),
            deliveries=held.get((name, Queue.DELIVERIES), 0),
        )
        for name in names
    ]
