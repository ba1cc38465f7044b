"""Deletes expired rows in batches.

An index on the age of the rows selects a batch. Rows that another transaction has locked are skipped, so that several
processes can sweep at the same time without waiting for each other.
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
