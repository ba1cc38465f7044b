"""Deleting what is over, a batch at a time.

A batch is chosen through an index on what makes its rows old. Rows that somebody else holds are left to them, so that
several processes can sweep at once without waiting for each other.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from stepiq.store.database import Session

Age = TypeVar("Age")


async def delete_oldest(
    session: Session,
    age: sa.Column[Age],
    before: Age,
    limit: int,
    *conditions: sa.ColumnElement[bool],
) -> int:
    """Delete rows that are older than a moment, the oldest first, and say how many there were.

    Args:
        session: the transaction to delete in.
        age: what makes a row old, a moment or an id; its table is the one that is swept.
        before: rows of this age or younger stay.
        limit: how many rows go at most.
        conditions: what else has to hold for a row to go.
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
    """Delete rows by their primary keys, and say how many keys there were."""
    columns = list(table.primary_key)
    wanted = [column == sa.bindparam(f"key_{n}") for n, column in enumerate(columns)]
    if keys:
        await session.execute(
            sa.delete(table).where(*wanted),
            [{f"key_{n}": part for n, part in enumerate(key)} for key in keys],
        )
    return len(keys)
