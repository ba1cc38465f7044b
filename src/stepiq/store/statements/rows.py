"""Writes many rows with one statement.

PostgreSQL gets an array for each column. The statement is therefore the same for any number of rows, and is planned
once; a statement for each row would take three to five times as long. SQLite has no arrays, and executes a statement
for each row within this process.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from stepiq.store.database import Session

_PREFIX = "all_"
"""Of parameters, because SQLAlchemy reserves the names of columns."""

Rows = Sequence[Mapping[str, Any]]
"""Values by name. All rows have the same names, and the values of a name have the same Python type, or are None."""


async def insert(
    session: Session, table: sa.Table, rows: Rows, *, keeps_existing: bool = False
) -> None:
    """Insert rows into a table.

    Args:
        session: the transaction.
        table: the table.
        rows: values by name of the column. Columns that they do not name get the defaults of the database.
        keeps_existing: whether to skip rows that exist, instead of raising an error.
    """
    if not rows:
        return
    if len(rows) > 1 and _has_arrays(session):
        statement = _insert_together(table, tuple(rows[0]), keeps_existing)
        await session.execute(statement, arrays(rows))
    else:
        await session.execute(_insert_each(table, session.dialect, keeps_existing), rows)


async def insert_all(session: Session, *parts: tuple[sa.Table, Rows]) -> None:
    """Insert rows into several tables, with one statement on PostgreSQL.

    Rows can refer to rows of earlier parts. As with `insert`, columns that are not named get their defaults.
    """
    filled = [(table, rows) for table, rows in parts if rows]
    if len(filled) < 2 or not _has_arrays(session):
        for table, rows in filled:
            await insert(session, table, rows)
        return
    values: dict[str, list[Any]] = {}
    for table, rows in filled:
        values |= arrays(rows, _prefix(table))
    await session.execute(
        _insert_all(tuple((table, tuple(rows[0])) for table, rows in filled)), values
    )


async def execute(
    session: Session, each: sa.Executable, together: sa.Executable, rows: Rows
) -> None:
    """Execute a statement for rows: `together` on PostgreSQL, or else `each` for each of them.

    `together` reads the rows from `given`, and `each` has their values as parameters.
    """
    if not rows:
        return
    if len(rows) > 1 and _has_arrays(session):
        await session.execute(together, arrays(rows))
    else:
        await session.execute(each, rows)


def given(types: Mapping[str, TypeEngine[Any]], prefix: str = _PREFIX) -> sa.TableValuedAlias:
    """The rows of `execute`, as a table in `together`. On PostgreSQL only."""
    parts = [
        sa.bindparam(prefix + column, type_=postgresql.ARRAY(kind, dimensions=1))
        for column, kind in types.items()
    ]
    columns = [sa.column(column, kind) for column, kind in types.items()]
    return sa.func.unnest(*parts).table_valued(*columns).render_derived()


def arrays(rows: Rows, prefix: str = _PREFIX) -> dict[str, list[Any]]:
    """The parameters of a statement that uses `given`."""
    return {prefix + name: [_plain(row[name]) for row in rows] for name in rows[0]}


def _plain(value: Any) -> Any:
    # The driver refuses arrays that contain members of an enumeration and other texts.
    return str(value) if isinstance(value, StrEnum) else value


# Building a statement takes longer than executing it.
@lru_cache(256)
def _insert_each(table: sa.Table, dialect: str, keeps_existing: bool) -> sa.Executable:
    new = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    return new.on_conflict_do_nothing() if keeps_existing else new


@lru_cache(256)
def _insert_together(
    table: sa.Table, names: tuple[str, ...], keeps_existing: bool, prefix: str = _PREFIX
) -> postgresql.Insert:
    rows = given({name: table.c[name].type for name in names}, prefix)
    new = postgresql.insert(table).from_select(names, sa.select(*rows.c), include_defaults=False)
    return new.on_conflict_do_nothing() if keeps_existing else new


@lru_cache(256)
def _insert_all(parts: tuple[tuple[sa.Table, tuple[str, ...]], ...]) -> sa.Executable:
    *earlier, last = (
        _insert_together(table, names, keeps_existing=False, prefix=_prefix(table))
        for table, names in parts
    )
    # References are checked when the whole statement has been executed.
    return last.add_cte(*(each.cte() for each in earlier))


def _prefix(table: sa.Table) -> str:
    return f"{table.name}_"


def _has_arrays(session: Session) -> bool:
    return session.dialect == "postgresql"


def size_bytes(session: Session, column: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """The size of a text in UTF-8."""
    if session.dialect == "sqlite":
        return sa.func.length(sa.cast(column, sa.LargeBinary), type_=sa.Integer)
    return sa.func.octet_length(column, type_=sa.Integer)


async def row_sizes(
    session: Session, statement: sa.Select[Any], *columns: sa.ColumnElement[Any]
) -> list[int]:
    """For each row of a statement, the size of these columns together."""
    sizes = [sa.func.coalesce(size_bytes(session, column), 0) for column in columns]
    measured = statement.with_only_columns(*sizes, maintain_column_froms=True)
    return [sum(row) for row in await session.execute(measured)]
