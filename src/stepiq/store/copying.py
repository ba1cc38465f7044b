"""Copies the rows of all tables from SQLite to PostgreSQL, also those of the queue."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql

from stepiq.store.postgres_checks import QUEUE_SCHEMA
from stepiq.store.tables import metadata
from stepiq.store.types import JsonText

QUEUE_VERSIONS = "dbos_migrations"
"""The table with the version of the queue's schema, which its migrations fill."""


@dataclass(frozen=True, slots=True)
class CopiedRows:
    """What was copied."""

    tables: int
    """Tables that have rows."""
    rows: int


class ValueNotStorable(Exception):
    """PostgreSQL cannot store a value of a table."""

    def __init__(self, table: str, reason: str) -> None:
        super().__init__(f"{table}: {reason}")
        self.table = table
        self.reason = reason


def table_names() -> frozenset[str]:
    """The names of all tables of a database."""
    return frozenset(metadata.tables)


def copy_rows(
    source: sa.Connection, target: sa.Connection, driver: psycopg.Connection[Any]
) -> CopiedRows:
    """Copy all rows in the transaction of `target`. Both databases have the same schema, and `target` has no rows.

    The rows of a table are copied one after the other, so memory does not depend on their number.

    Args:
        source: a connection to SQLite.
        target: a connection to PostgreSQL.
        driver: the connection of the driver in `target`.

    Raises:
        ValueNotStorable: PostgreSQL cannot store a value.
    """
    counts = [_copy(source, driver, table, name) for table, name in _tables(source, target)]
    return CopiedRows(tables=sum(1 for count in counts if count), rows=sum(counts))


def _tables(
    source: sa.Connection, target: sa.Connection
) -> Iterator[tuple[sa.Table, sql.Identifier]]:
    """Each table of SQLite with its name on PostgreSQL. A table comes after those that it refers to."""
    for table in metadata.sorted_tables:
        yield table, sql.Identifier(table.name)
    queue = sa.MetaData()
    queue.reflect(target, schema=QUEUE_SCHEMA)
    found = sa.inspect(source)
    names = set(found.get_table_names())
    for table in queue.sorted_tables:
        if table.name in names and table.name != QUEUE_VERSIONS:
            columns = [column["name"] for column in found.get_columns(table.name)]
            own = sa.Table(
                table.name,
                sa.MetaData(),
                *(sa.Column(name, _read_as(table.columns[name])) for name in columns),
            )
            yield own, sql.Identifier(QUEUE_SCHEMA, table.name)


def _copy(
    source: sa.Connection,
    driver: psycopg.Connection[Any],
    table: sa.Table,
    name: sql.Identifier,
) -> int:
    """Copy the rows of a table. Returns their number."""
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    rows = source.execute(sa.select(*(_unchanged(column) for column in table.columns)))
    with driver.cursor() as cursor:
        try:
            with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(name, columns)) as copying:
                for row in rows:
                    copying.write_row(row)
        except psycopg.DataError as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise ValueNotStorable(table.name, reason) from error
        return cursor.rowcount


def _read_as(column: sa.Column[Any]) -> sa.types.TypeEngine[Any]:
    # SQLite has numbers instead of booleans. Everything else is as PostgreSQL accepts it.
    return sa.Boolean() if isinstance(column.type, sa.Boolean) else sa.types.NullType()


def _unchanged(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """A column as it is stored: JSON stays the same text."""
    return sa.type_coerce(column, sa.Text) if isinstance(column.type, JsonText) else column
