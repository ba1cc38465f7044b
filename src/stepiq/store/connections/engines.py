"""Gives synchronous engines of SQLAlchemy the durability of the store.

Migrations and the library of the queue use them.
"""

import time
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import URL

from stepiq.store.connections import postgresql, sqlite

_TURN = "write_turn"
_USED_AT = "used_at"
_WRITES = frozenset({"BEGIN ", "INSERT", "UPDATE", "DELETE"})


def create(url: URL, connections: int = 1, *, may_idle: bool = True) -> sa.Engine:
    """An engine with at most some connections to a database; `postgresql.preparations` describes `may_idle`.

    SQLite has one.
    """
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(url, pool_size=1, max_overflow=0, hide_parameters=True)
        _prepare_sqlite(engine, begin="BEGIN IMMEDIATE")
        return engine
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=connections,
        max_overflow=0,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args=postgresql.alive("stepiq"),
    )
    _prepare_postgresql(engine, may_idle=may_idle)
    return engine


def create_with_turns(url: URL, turns: sqlite.WriteTurns) -> sa.Engine:
    """An engine for an SQLite file, whose transactions wait for their turn before their first write."""
    engine = sa.create_engine(url, pool_size=1, max_overflow=0, hide_parameters=True)
    _prepare_sqlite(engine, begin=None)

    @event.listens_for(engine, "before_cursor_execute")
    def _on_execute(connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
        info = connection.connection.record_info
        assert info is not None  # noqa: S101 - the connection is one of the pool
        if not info.get(_TURN) and statement.lstrip()[:6].upper() in _WRITES:
            turns.take()
            info[_TURN] = True

    @event.listens_for(engine, "checkin")
    def _on_checkin(_connection: Any, record: Any) -> None:
        if record.record_info.pop(_TURN, False):
            turns.release()

    return engine


def _prepare_postgresql(engine: sa.Engine, *, may_idle: bool) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        for statement in postgresql.preparations(may_idle=may_idle):
            connection.execute(statement)
        connection.commit()

    @event.listens_for(engine, "handle_error")
    def _on_error(context: sa.engine.ExceptionContext) -> None:
        # As in `PooledConnection.execute`.
        if isinstance(context.original_exception, psycopg.errors.ReadOnlySqlTransaction):
            context.is_disconnect = True

    @event.listens_for(engine, "checkin")
    def _on_checkin(_connection: Any, record: Any) -> None:
        record.info[_USED_AT] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _on_checkout(connection: Any, record: Any, _proxy: Any) -> None:
        used_at = record.info.get(_USED_AT)
        if used_at is None or not postgresql.may_be_lost(record.driver_connection, used_at):
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as error:
            if record.driver_connection.closed:
                # All others were probably closed with it.
                raise exc.InvalidatePoolError from error
            raise


def _prepare_sqlite(engine: sa.Engine, begin: str | None) -> None:
    """Start transactions with `begin`; with None, the driver begins an immediate transaction before the first write."""

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        # The driver's own BEGIN is sent only before writes, so earlier reads would be outside the transaction.
        connection.isolation_level = None if begin else "IMMEDIATE"
        sqlite.set_pragmas(connection, sqlite.PRAGMAS)

    if begin:

        @event.listens_for(engine, "begin")
        def _on_begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql(begin)
