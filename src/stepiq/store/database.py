"""Connections and transactions on SQLite or PostgreSQL.

SQLite: every connection sets and verifies WAL. The writer uses `synchronous=NORMAL` with a `LogFlusher`; all other
connections use `synchronous=FULL`. A writing transaction takes the write lock at its start (`BEGIN IMMEDIATE`), so that
two of them cannot both read the old state.

PostgreSQL: read committed, and a commit is confirmed only after it is durable, even if the server's default differs.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url

from stepiq.core.observability import logging, metrics
from stepiq.core.settings.model import Settings
from stepiq.store.compiled import Rows, StatementCache, Values, statement_cache
from stepiq.store.connections import faults, log_flusher
from stepiq.store.connections import postgresql as postgres_driver
from stepiq.store.connections import sqlite as sqlite_driver
from stepiq.store.connections import waiting as answer_time
from stepiq.store.connections.connection import Connection, Fetched, Pool
from stepiq.store.connections.faults import StoreFull, StoreUnavailable
from stepiq.store.connections.pool_sizes import PoolSizes
from stepiq.store.connections.waiting import SharedPlaces, WriterPlace

log = logging.get(__name__)

PATIENT_SECONDS = 30.0
"""Time limit for data that is lost if it is not saved, such as a paid response of a model."""

_READERS = 4
# SQLite always answers, so this limits only the wait for a connection, and the wait for the disk.
_SQLITE_WAIT_SECONDS = 30.0
# Of those that write, few wait in the database, where workers wait for the same locks. The others wait here, where
# urgent ones overtake them.
_WRITERS_OF_OWNER = 3
# Deadlock, serialization failure, unavailable lock, cancelled statement.
_ROLLED_BACK = frozenset({"40P01", "40001", "55P03", "57014"})

_Place = AbstractAsyncContextManager[None]

_WRITE_NOTHING = sa.text(log_flusher.WRITE_NOTHING)
_NO_ANSWER = "The database did not respond. Try again in a moment."


class _NoConnection(Exception):
    """All connections are in use, or a new one could not be opened in time."""


class Session:
    """One transaction. The code that opened it commits it."""

    def __init__(
        self,
        connection: Connection,
        statements: StatementCache,
        signals: Mapping[str, Callable[[], None]] | None = None,
    ) -> None:
        self.connection = connection
        self._statements = statements
        self._after_commit: list[Callable[[], None]] = []
        self._signals = signals or {}

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._statements.dialect.name

    async def execute(
        self, statement: sa.Executable, parameters: Sequence[Values] | Values | None = None
    ) -> Rows:
        """Execute one statement; with a list of parameters, once for each element.

        Raises:
            DBAPIError: the database refuses it, or does not answer.
        """
        if parameters is None:
            parameters = {}
        elif not isinstance(parameters, Mapping):
            if len(parameters) > 1:
                return await self._execute_many(statement, parameters)
            parameters = parameters[0]
        compiled, literals = self._statements.find(statement, tuple(parameters), is_many=False)
        sql, values = compiled.bound(parameters, literals)
        with reported(self.connection, sql):
            fetched = await self.connection.execute(sql, values)
        return compiled.rows(fetched)

    async def _execute_many(self, statement: sa.Executable, parameters: Sequence[Values]) -> Rows:
        compiled, literals = self._statements.find(statement, tuple(parameters[0]), is_many=True)
        values = [compiled.bound(each, literals)[1] for each in parameters]
        with reported(self.connection, compiled.sql):
            changed = await self.connection.execute_many(compiled.sql, values)
        return compiled.rows(Fetched((), (), changed))

    async def scalar(self, statement: sa.Executable) -> Any:
        """The first column of the first row, or None."""
        return (await self.execute(statement)).scalar()

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT in the dialect of this store, which supports `on_conflict_do_nothing`."""
        return sqlite.insert(table) if self.dialect == "sqlite" else postgresql.insert(table)

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """Undo what this block has written if it raises an exception. The transaction goes on."""
        await self._control("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if not self.connection.is_closed:
                await self._control("ROLLBACK TO SAVEPOINT part")
            raise
        await self._control("RELEASE SAVEPOINT part")

    async def _control(self, sql: str) -> None:
        with reported(self.connection, sql):
            await self.connection.execute(sql)

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call `action` once the transaction is durable; never if it is rolled back. It must not fail."""
        self._after_commit.append(action)

    def signal(self, name: str) -> None:
        """Call the action of `Database.on_signal` for this name, once the transaction is durable."""
        action = self._signals.get(name)
        if action is not None and action not in self._after_commit:
            self.after_commit(action)

    def committed(self) -> None:
        """Call the `after_commit` actions in the order in which they were added."""
        actions, self._after_commit = self._after_commit, []
        for action in actions:
            action()


class Database:
    """The store of one process: an engine for writers and, on SQLite, one for readers.

    Errors of statements do not contain parameters, because errors are logged, and prompts and outputs must not be.
    """

    def __init__(self, settings: Settings) -> None:
        self.path = settings.sqlite_path
        self._is_full = False
        self._signals: dict[str, Callable[[], None]] = {}
        self.write_turns = sqlite_driver.WriteTurns()
        """The turns of all connections of this process that write to the SQLite file."""
        # A pool gives a free connection to the next caller that asks, even if others wait. Code that writes one
        # transaction after the other would therefore keep it for seconds.
        sizes = PoolSizes.of(settings.processes)
        self.queue_connections = sizes.queue
        """How many connections to PostgreSQL the queue opens."""
        self._readers = SharedPlaces(sizes.store, sizes.of_workspace)
        self._writers: SharedPlaces | WriterPlace = SharedPlaces(
            sizes.store, _WRITERS_OF_OWNER, within=self._readers
        )
        self._flusher: log_flusher.LogFlusher | None = None
        if self.path is None:
            self.url = make_url(settings.database_url).set(drivername="postgresql+psycopg")
            self._statements = statement_cache(is_sqlite=False)
            self._writer = self._reader = Pool(postgres_driver.Opener(self._dsn()).open)
        else:
            self.url = make_url(f"sqlite:///{self.path}")
            self._statements = statement_cache(is_sqlite=True)
            path, turns = self.path, self.write_turns

            async def open_writer() -> Connection:
                return sqlite_driver.SqliteWriter(path, turns, log_flusher.FLUSHED)

            async def open_reader() -> Connection:
                return sqlite_driver.SqliteReader(path)

            self._writer, self._reader = Pool(open_writer), Pool(open_reader)
            self._flusher = log_flusher.LogFlusher(path, self.write_turns)
            self._writers = WriterPlace()
            self._readers = SharedPlaces(_READERS)

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is one SQLite file, used by one process."""
        return self.path is not None

    @asynccontextmanager
    async def transaction(
        self, patience: float | None = None, *, urgent: bool = False
    ) -> AsyncGenerator[Session]:
        """A transaction that may write: committed at the end, rolled back on any exception.

        Args:
            patience: time limit in seconds for the whole transaction on PostgreSQL, by default 3.5 seconds for all
                transactions of a request. SQLite ignores it.
            urgent: whether it gets one of the next two turns of its workspace, unless other urgent ones wait.

        Raises:
            StoreUnavailable: the database cannot be reached, or it is unknown whether the transaction was committed.
        """
        place = self._writers.place(urgent=urgent)
        async with self._open(place, patience, writes=True) as session:
            yield session

    @asynccontextmanager
    async def reading(self, *, urgent: bool = False) -> AsyncGenerator[Session]:
        """A read-only transaction; on SQLite it does not wait for writers. `urgent` as in `transaction`.

        On PostgreSQL, each statement sees what was committed before it.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        place = self._readers.place(urgent=urgent)
        async with self._open(place, None, writes=False) as session:
            yield session

    @asynccontextmanager
    async def _open(
        self, place: _Place, patience: float | None, *, writes: bool
    ) -> AsyncGenerator[Session]:
        if patience is not None or self.is_sqlite:
            patience = patience or PATIENT_SECONDS
            async with self._open_within(place, patience, writes=writes) as session:
                yield session
            return
        request, started = answer_time.current(), time.monotonic()
        try:
            async with self._open_within(place, request.left, writes=writes) as session:
                yield session
        finally:
            request.spend(time.monotonic() - started)

    @asynccontextmanager
    async def _open_within(
        self, place: _Place, patience: float, *, writes: bool
    ) -> AsyncGenerator[Session]:
        try:
            with postgres_driver.answering_within(patience):
                async with self._connection(place, patience, writes=writes) as connection:
                    session = Session(connection, self._statements, self._signals)
                    # Statements that only read need no transaction on PostgreSQL: each has its own view in any case.
                    if writes or self.is_sqlite:
                        async with _transaction(connection):
                            yield session
                    else:
                        yield session
        except (exc.DBAPIError, _NoConnection) as error:
            if (fault := faults.fault(error.__cause__, self.path)) is not None:
                raise self._noted(fault) from error
            if not _is_outage(error):
                raise
            if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
                # All others were probably lost with it.
                await (self._writer if writes else self._reader).close()
            metrics.store_unavailable.inc()
            log.warning("store_unavailable", reason=type(error.__cause__ or error).__name__)
            away = StoreUnavailable(_NO_ANSWER)
            away.was_answered = _was_answered(error)
            raise away from error
        if writes:
            await self._flush()
        session.committed()

    async def _flush(self) -> None:
        """Wait until committed transactions are durable. Others can write in the meantime."""
        if self._flusher is None:
            return
        try:
            async with asyncio.timeout(_SQLITE_WAIT_SECONDS):
                await self._flusher.flush()
        except (OSError, sqlite3.Error, RuntimeError) as error:
            if (fault := faults.fault(error, self.path)) is not None:
                # Others may have seen the transaction already.
                fault.was_answered = False
                raise self._noted(fault) from error
            metrics.store_unavailable.inc()
            log.warning("store_unavailable", reason=type(error).__name__)
            raise StoreUnavailable(_NO_ANSWER) from error

    @asynccontextmanager
    async def _connection(
        self, place: _Place, patience: float, *, writes: bool
    ) -> AsyncGenerator[Connection]:
        pool = self._writer if writes else self._reader
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(_SQLITE_WAIT_SECONDS if self.is_sqlite else patience):
                    wait = None if self.is_sqlite else postgres_driver.wait_seconds(patience)
                    async with asyncio.timeout(wait):
                        await held.enter_async_context(place)
                    with reported(None, "connect"):
                        connection = await pool.take()
            except TimeoutError as error:
                raise _NoConnection from error
            try:
                yield connection
            finally:
                pool.give_back(connection)

    @asynccontextmanager
    async def without_writer(self) -> AsyncGenerator[None]:
        """On SQLite, no transaction of `transaction` is in progress in this block.

        For code that writes through another connection and blocks the event loop.
        """
        if not self.is_sqlite:
            yield
            return
        async with self._writers.place():
            yield

    def on_signal(self, name: str, action: Callable[[], None]) -> None:
        """Call `action` after each commit of this process that has signalled `name`. It must not fail."""
        self._signals[name] = action

    async def ping(self) -> None:
        """Check that the database responds and is not read-only; if its disk is or was full, also that it can write.

        Raises:
            StoreUnavailable: it does not respond.
            StoreFull: it cannot write.
        """
        async with self.reading() as session:
            if self.is_sqlite:
                await session.execute(sa.text("SELECT 1"))
            elif await session.scalar(sa.text("SHOW transaction_read_only")) == "on":
                await session.connection.close()
                await self._reader.close()
                metrics.store_unavailable.inc()
                log.warning(
                    "store_unavailable", reason=psycopg.errors.ReadOnlySqlTransaction.__name__
                )
                raise StoreUnavailable(_NO_ANSWER)
        if self._is_full or faults.is_nearly_full(self.path):
            async with self.transaction() as session:
                await session.execute(_WRITE_NOTHING)
            self._is_full = False

    def _noted(self, fault: StoreUnavailable) -> StoreUnavailable:
        self._is_full = self._is_full or isinstance(fault, StoreFull)
        metrics.store_unavailable.inc()
        log.error(fault.code, problem=fault.message)
        return fault

    def connections(self) -> dict[str, int]:
        """The number of connections in use by pool: `all` on PostgreSQL, `write` and `read` on SQLite."""
        if not self.is_sqlite:
            return {"all": self._writer.in_use}
        return {"write": self._writer.in_use, "read": self._reader.in_use}

    def _dsn(self) -> str:
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    async def connect_alone(self, purpose: str) -> psycopg.AsyncConnection:
        """A PostgreSQL connection outside the pool, in autocommit mode, for a separate session. The caller closes it.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        with outages_reported():
            return await postgres_driver.PostgresConnection.connect(
                self._dsn(), autocommit=True, **postgres_driver.alive(f"stepiq {purpose}")
            )

    async def close(self) -> None:
        """Close all connections."""
        if self._flusher is not None:
            await self._flusher.close()
        await self._writer.close()
        await self._reader.close()


@contextmanager
def outages_reported() -> Generator[None]:
    """Report failed and lost PostgreSQL connections as `StoreUnavailable`."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise StoreUnavailable(_NO_ANSWER) from error


@asynccontextmanager
async def _transaction(connection: Connection) -> AsyncGenerator[None]:
    """Commit at the end, or undo everything on any exception."""
    try:
        with reported(connection, "BEGIN"):
            await connection.begin()
        yield
        with reported(connection, "COMMIT"):
            await connection.commit()
    except BaseException:
        if not connection.is_closed:
            try:
                await connection.rollback()
            except (sqlite3.Error, psycopg.Error, asyncio.CancelledError):
                # Nobody must get a connection with an open transaction.
                await connection.close()
        raise


@contextmanager
def reported(connection: Connection | None, sql: str) -> Generator[None]:
    """Raise the errors of the drivers as those of SQLAlchemy, without the values of the statement."""
    try:
        yield
    except (sqlite3.Error, psycopg.Error) as error:
        raise exc.DBAPIError.instance(
            sql,
            None,
            error,
            psycopg.Error if isinstance(error, psycopg.Error) else sqlite3.Error,
            hide_parameters=True,
            connection_invalidated=connection is None or connection.is_closed,
        ) from error


def _is_outage(error: exc.DBAPIError | _NoConnection) -> bool:
    """Whether the database could not answer, as opposed to a wrong statement."""
    if isinstance(error, _NoConnection):
        return True
    if error.connection_invalidated:
        # Includes sessions that the server ended with another kind of error, such as idle ones.
        return True
    if isinstance(error.__cause__, psycopg.errors.IdleInTransactionSessionTimeout):
        # The same, if the server's message has arrived but the connection is not closed yet.
        return True
    if not isinstance(error, exc.OperationalError | exc.InterfaceError):
        return False
    # SQLite also reports a wrong statement as an operational error, for which a retry is useless.
    return getattr(error.__cause__, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR


def _was_answered(error: exc.DBAPIError | _NoConnection) -> bool:
    """Whether a reachable PostgreSQL server rolled the transaction back: a deadlock, one of its limits, or read-only."""
    if not isinstance(error, exc.DBAPIError):
        return False
    if isinstance(error.__cause__, psycopg.errors.ReadOnlySqlTransaction):
        return True
    if error.connection_invalidated:
        return False
    return getattr(error.__cause__, "sqlstate", None) in _ROLLED_BACK


def sqlite_version() -> str:
    """Version of the SQLite library in use."""
    return sqlite3.sqlite_version
