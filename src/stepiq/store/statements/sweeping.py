"""Deletes expired rows in batches.

An index on the age of the rows selects a batch. Rows that another transaction has locked are skipped, so that several
processes can sweep at the same time without waiting for each other.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from stepiq.store.database import Session
from stepiq.store.tables import run_events, run_steps, runs

Age = TypeVar("Age")

RUN_COLUMNS = (runs.c.id, runs.c.last_seq, runs.c.reused)
"""Columns of a run that `runs_within` and `delete_large` read."""
_ROWS_OF_STEP = 5
"""With a step, its calls and their payloads are deleted."""


async def delete_oldest(
    session: Session,
    age: sa.Column[Age],
    before: Age,
    limit: int,
    *conditions: sa.ColumnElement[bool],
) -> int:
    """Delete rows older than `before`, the oldest first. Returns the number of rows.

    Args:
        session: the transaction.
        age: the column that determines the age, a time or an id, of the table to delete from.
        before: rows of this age or younger are kept.
        limit: maximum number of rows.
        conditions: further conditions for deletion.
    """
    table = age.table
    assert isinstance(table, sa.Table)  # noqa: S101 - a column of a table has one
    chosen = (
        sa.select(*table.primary_key)
        .where(age < before, *conditions)
        .order_by(age)
        .limit(limit)
        .with_for_update(of=table, skip_locked=True)
    )
    return await delete(session, table, (await session.execute(chosen)).all())


async def delete(session: Session, table: sa.Table, keys: Sequence[Sequence[Any]]) -> int:
    """Delete rows by their primary keys. Returns the number of keys."""
    columns = list(table.primary_key)
    wanted = [column == sa.bindparam(f"key_{n}") for n, column in enumerate(columns)]
    if keys:
        await session.execute(
            sa.delete(table).where(*wanted),
            [{f"key_{n}": part for n, part in enumerate(key)} for key in keys],
        )
    return len(keys)


def runs_within(rows: Sequence[sa.Row[Any]], limit: int) -> list[sa.Row[Any]]:
    """The first runs that have `limit` events and reused steps together; at least one run, if there is one."""
    chosen: list[sa.Row[Any]] = []
    for row in rows:
        limit -= _size(row)
        if chosen and limit < 0:
            break
        chosen.append(row)
    return chosen


async def delete_large(session: Session, run: sa.Row[Any], limit: int) -> int:
    """Delete some events or steps of a run that has more than `limit`. Returns their number; 0 if none is left.

    The last steps are deleted first: a retry of the run in the meantime must not miss a step before those that it
    reuses. The last events are deleted last, because a stream of events waits for the final one.
    """
    if _size(run) <= limit:
        return 0
    for table, order, rows in (
        (run_events, run_events.c.seq, limit),
        (run_steps, run_steps.c.ordinal.desc(), -(-limit // _ROWS_OF_STEP)),
    ):
        chosen = (
            sa.select(*table.primary_key)
            .where(table.c.run_id == run.id)
            .order_by(order)
            .limit(rows)
        )
        if deleted := await delete(session, table, (await session.execute(chosen)).all()):
            return deleted
    return 0


def _size(run: sa.Row[Any]) -> int:
    """The number of a run's events and reused steps. A step that is not reused has at least one event."""
    return run.last_seq + (run.reused["steps"] if run.reused else 0)
