"""The sizes of large columns. The database measures them, so that values that are not needed are not read."""

from typing import Any

import sqlalchemy as sa

from stepiq.store.database import Session


def size_bytes(session: Session, column: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """The size of a text in UTF-8."""
    if session.connection.dialect.name == "sqlite":
        return sa.func.length(sa.cast(column, sa.LargeBinary), type_=sa.Integer)
    return sa.func.octet_length(column, type_=sa.Integer)


async def row_sizes(
    session: Session, statement: sa.Select[Any], *columns: sa.ColumnElement[Any]
) -> list[int]:
    """For each row of a statement, the size of these columns together."""
    sizes = [sa.func.coalesce(size_bytes(session, column), 0) for column in columns]
    measured = statement.with_only_columns(*sizes, maintain_column_froms=True)
    return [sum(row) for row in await session.execute(measured)]
