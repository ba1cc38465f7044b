"""Runs that the worker which accepted them executes, without a ticket. Their rows name that worker.

A ticket would cost a transaction and four statements, only to be claimed by the process that enqueued it. Such a run
gets a ticket when another worker has to continue it.
"""

from collections import Counter
from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa

from stepiq.store.database import Session
from stepiq.store.tables import runs

TICKET = 1
"""The number of the ticket that such a run gets."""

# Written as in the partial index, which SQLite would not use otherwise.
_EXECUTED = sa.and_(runs.c.executor.is_not(None), runs.c.status == sa.literal_column("'running'"))
_OF_EXECUTORS = runs.c.executor.in_(sa.bindparam("executors", expanding=True))
_COUNT = (
    sa.select(runs.c.executor, sa.func.count().label("number"))
    .where(_EXECUTED)
    .group_by(runs.c.executor)
)
_OF_ONE = sa.select(runs.c.id).where(_EXECUTED, runs.c.executor == sa.bindparam("executor"))
_OLDEST = sa.select(runs.c.id).where(_EXECUTED).order_by(runs.c.id).limit(sa.bindparam("most"))
_TAKE_BACK = (
    runs.update()
    .where(_EXECUTED, _OF_EXECUTORS)
    .values(executor=None)
    .returning(runs.c.id, runs.c.workspace_id, runs.c.ticket)
)
_TAKE_BACK_SOME = _TAKE_BACK.where(
    runs.c.id.in_(sa.bindparam("ids", expanding=True, type_=runs.c.id.type))
)


async def count(session: Session) -> dict[str, int]:
    """The number of these runs of each worker."""
    return {row.executor: row.number for row in await session.execute(_COUNT)}


async def of_worker(session: Session, executor_id: str) -> set[UUID]:
    """The runs of one worker."""
    return set((await session.execute(_OF_ONE, {"executor": executor_id})).scalars())


async def oldest(session: Session, most: int) -> list[UUID]:
    """The oldest of all these runs."""
    return list((await session.execute(_OLDEST, {"most": most})).scalars())


async def take_back(
    session: Session, executors: Collection[str], only: Collection[UUID] | None = None
) -> list[tuple[UUID, int, int]]:
    """Take all runs of some workers from them, or only some runs.

    Returns what `TicketQueue.enqueue_many` needs for their tickets.
    """
    values = {"executors": list(executors)}
    if only is None:
        rows = await session.execute(_TAKE_BACK, values)
    else:
        rows = await session.execute(_TAKE_BACK_SOME, {**values, "ids": list(only)})
    positions: Counter[UUID] = Counter()
    taken: list[tuple[UUID, int, int]] = []
    # The ids of runs are in the order in which these were accepted.
    for row in sorted(rows, key=lambda row: row.id):
        positions[row.workspace_id] += 1
        taken.append((row.id, row.ticket, positions[row.workspace_id]))
    return taken
