"""Queries of tables with encrypted values: what the rotation of the master key needs of each of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.core.keys.encryption import Binding, Sealed
from stepiq.store.database import Session

Row = sa.Row[Any]


def sealed_of(row: Row) -> Sealed:
    """The encrypted value of a row."""
    return Sealed(row.key_id, row.wrapped_key, row.ciphertext)


def columns_of(sealed: Sealed) -> dict[str, Any]:
    """The columns that contain an encrypted value."""
    return {
        "key_id": sealed.key_id,
        "wrapped_key": sealed.wrapped_key,
        "ciphertext": sealed.ciphertext,
    }


@dataclass(frozen=True, slots=True)
class SealedTable:
    """A table with the columns of `columns_of`, an `id`, and an index of `key_id` and `id`."""

    table: sa.Table
    owner_of: Callable[[Row], Binding]
    """The owner that a row's value is bound to."""
    value_columns: tuple[str, ...] = ()
    """Other columns that change with the value."""

    async def key_counts(self, session: Session) -> dict[str, int]:
        """The number of values wrapped by each master key."""
        number = sa.func.count().label("number")
        key_id = self.table.c.key_id
        found = await session.execute(sa.select(key_id, number).group_by(key_id))
        return {row.key_id: row.number for row in found}

    async def wrapped_by(
        self, session: Session, key_id: str, *, after: UUID | None, limit: int
    ) -> Sequence[Row]:
        """Lock and return a batch of the rows wrapped by a master key, of all workspaces."""
        statement = (
            sa.select(self.table)
            .where(self.table.c.key_id == key_id)
            .order_by(self.table.c.id)
            .limit(limit)
            .with_for_update()
        )
        if after is not None:
            statement = statement.where(self.table.c.id > after)
        return (await session.execute(statement)).all()

    async def rewrap(self, session: Session, row: Row, sealed: Sealed) -> bool:
        """Store a data key wrapped by another master key, unless the value has changed since it was read."""
        unchanged = [
            self.table.c[name] == getattr(row, name)
            for name in ("id", "key_id", *self.value_columns)
        ]
        statement = (
            sa.update(self.table)
            .where(*unchanged)
            .values(key_id=sealed.key_id, wrapped_key=sealed.wrapped_key)
        )
        return (await session.execute(statement)).rowcount == 1
