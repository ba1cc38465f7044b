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
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from stepiq.core.errors import Unavailable
from stepiq.core.observability import logging, metrics
from stepiq.core.settings.model import Settings
from stepiq.store.connections import faults, log_flusher
from stepiq.store.connections import postgresql as postgres_driver
from stepiq.store.connections import sqlite as sqlite_driver
from stepiq.store.connections import waiting as answer_time
from stepiq.store.connections.faults import StoreFull, StoreUnavailable
from stepiq.store.connections.waiting import SharedPlaces, WriterPlace

log = logging.get(__name__)

PATIENT_SECONDS = 30.0
"""Time limit for data that is lost if it is not saved, such as a paid response of a model."""

_READERS = 4
# SQLite always answers, so this limits only the wait for a connection, and the wait for the disk.
_SQLITE_WAIT_SECONDS = 30.0
# Of one process on PostgreSQL. With more, transactions would wait for each other in the server instead of here.
_CONNECTIONS = 15
# Transactions of one workspace wait for each other's locks. If they had all connections, all workspaces would wait.
_CONNECTIONS_OF_OWNER = 10
# Of those that write, few wait in the database, where workers wait for the same locks. The others wait here, where
# urgent ones overtake them.
_WRITERS_OF_OWNER = 3
# Deadlock, serialization failure, unavailable lock, cancelled statement.
_ROLLED_BACK = frozenset({"40P01", "40001", "55P03", "57014"})

Result = TypeVar("Result")
_Place = AbstractAsyncContextManager[None]

_WRITE_NOTHING = sa.text(log_flusher.WRITE_NOTHING)
_NO_ANSWER = "The database did not respond. Try again in a moment."


class UnsafeStore(Unavailable):
    """The database could lose committed data, so the server does not start."""

    code = "store_unsafe"


class _NoConnection(Exception):
    """All connections are in use, or a new one could not be opened in time."""


class Session:
    """One transaction. The code that opened it commits it."""

    def __init__(
        self, connection: AsyncConnection, signals: Mapping[str, Callable[[], None]] | None = None
    ) -> None:
        self.connection = connection
        self._after_commit: list[Callable[[], None]] = []
        self._signals = signals or {}

    async def execute(
        self,
        statement: sa.Executable,
        parameters: Sequence[Mapping[str, Any]] | Mapping[str, Any] | None = None,
    ) -> CursorResult[Any]:
        """Execute one statement; with a list of parameters, once for each element."""
        return await self.connection.execute(statement, parameters)

    async def scalar(self, statement: sa.Executable) -> Any:
        """The first column of the first row, or None."""
        return await self.connection.scalar(statement)

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT in the dialect of this store, which supports `on_conflict_do_nothing`."""
        is_sqlite = self.connection.dialect.name == "sqlite"
        return sqlite.insert(table) if is_sqlite else postgresql.insert(table)

    async def run_sync(self, function: Callable[[sa.Connection], Result]) -> Result:
        """Call a function that needs a synchronous connection, inside this transaction."""
        return await self.connection.run_sync(function)

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
        self._readers = SharedPlaces(_CONNECTIONS, _CONNECTIONS_OF_OWNER)
        self._writers: SharedPlaces | WriterPlace = SharedPlaces(
            _CONNECTIONS, _WRITERS_OF_OWNER, within=self._readers
        )
        self._flusher: log_flusher.LogFlusher | None = None
        if self.path is None:
            self.url = make_url(settings.database_url).set(drivername="postgresql+psycopg")
            self._writer = create_async_engine(
                self.url,
                pool_size=_CONNECTIONS,
                max_overflow=0,
                pool_use_lifo=True,
                hide_parameters=True,
                connect_args={
                    "async_creator_fn": postgres_driver.Opener().open,
                    **postgres_driver.alive("stepiq"),
                },
            )
            postgres_driver.prepare(self._writer.sync_engine)
            self._reader = self._writer
        else:
            self.url = make_url(f"sqlite:///{self.path}")
            url = self.url.set(drivername="sqlite+aiosqlite")
            path = self.path
            # One connection, because SQLite has one writer at a time.
            self._writer = create_async_engine(
                url,
                pool_size=1,
                max_overflow=0,
                hide_parameters=True,
                async_creator=lambda: sqlite_driver.connect(path, self.write_turns),
            )
            self._reader = create_async_engine(
                url,
                pool_size=_READERS,
                max_overflow=0,
                hide_parameters=True,
                async_creator=lambda: sqlite_driver.connect_reader(path),
            )
            prepare_sqlite(self._writer.sync_engine, "BEGIN IMMEDIATE", log_flusher.PRAGMAS)
            prepare_sqlite(self._reader.sync_engine, begin="BEGIN")
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
        async with self._open(
            self._writer, self._writers.place(urgent=urgent), patience
        ) as session:
            yield session

    @asynccontextmanager
    async def reading(self, *, urgent: bool = False) -> AsyncGenerator[Session]:
        """A read-only transaction; on SQLite it does not wait for writers. `urgent` as in `transaction`.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        async with self._open(self._reader, self._readers.place(urgent=urgent), None) as session:
            yield session

    @asynccontextmanager
    async def _open(
        self, engine: AsyncEngine, place: _Place, patience: float | None
    ) -> AsyncGenerator[Session]:
        if patience is not None or self.is_sqlite:
            async with self._open_within(engine, place, patience or PATIENT_SECONDS) as session:
                yield session
            return
        request, started = answer_time.current(), time.monotonic()
        try:
            async with self._open_within(engine, place, request.left) as session:
                yield session
        finally:
            request.spend(time.monotonic() - started)

    @asynccontextmanager
    async def _open_within(
        self, engine: AsyncEngine, place: _Place, patience: float
    ) -> AsyncGenerator[Session]:
        try:
            with postgres_driver.answering_within(patience):
                async with (
                    self._connection(engine, place, patience) as connection,
                    connection.begin(),
                ):
                    session = Session(connection, self._signals)
                    yield session
        except (exc.DBAPIError, exc.TimeoutError, _NoConnection) as error:
            if (fault := faults.fault(error.__cause__, self.path)) is not None:
                raise self._noted(fault) from error
            if not _is_outage(error):
                raise
            metrics.store_unavailable.inc()
            log.warning("store_unavailable", reason=type(error.__cause__ or error).__name__)
            away = StoreUnavailable(_NO_ANSWER)
            away.was_answered = _was_answered(error)
            raise away from error
        if engine is self._writer:
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
        self, engine: AsyncEngine, place: _Place, patience: float
    ) -> AsyncGenerator[AsyncConnection]:
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(_SQLITE_WAIT_SECONDS if self.is_sqlite else patience):
                    wait = None if self.is_sqlite else postgres_driver.wait_seconds(patience)
                    async with asyncio.timeout(wait):
                        await held.enter_async_context(place)
                    connection = await engine.connect().start()
            except TimeoutError as error:
                raise _NoConnection from error
            try:
                yield connection
            finally:
                await connection.close()

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
                await session.connection.invalidate()
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
        pools = (
            {"all": self._writer}
            if not self.is_sqlite
            else {"write": self._writer, "read": self._reader}
        )
        return {name: _checked_out(engine) for name, engine in pools.items()}

    async def connect_alone(self, purpose: str) -> psycopg.AsyncConnection:
        """A PostgreSQL connection outside the pool, in autocommit mode, for a separate session. The caller closes it.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        dsn = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with outages_reported():
            return await postgres_driver.PostgresConnection.connect(
                dsn, autocommit=True, **postgres_driver.alive(f"stepiq {purpose}")
            )

    async def close(self) -> None:
        """Close all connections."""
        if self._flusher is not None:
            await self._flusher.close()
        await self._writer.dispose()
        await self._reader.dispose()


@contextmanager
def outages_reported() -> Generator[None]:
    """Report failed and lost PostgreSQL connections as `StoreUnavailable`."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise StoreUnavailable(_NO_ANSWER) from error


def _checked_out(engine: AsyncEngine) -> int:
    pool = engine.sync_engine.pool
    return pool.checkedout() if isinstance(pool, sa.QueuePool) else 0


def prepare_sqlite(
    engine: sa.Engine,
    begin: str | None,
    pragmas: Mapping[str, tuple[str | int, str | int]] | None = None,
) -> None:
    """Prepare every connection of an SQLite engine, and start its transactions with `begin`.

    Args:
        engine: the engine.
        begin: the statement that starts its transactions. With None, the driver begins an immediate transaction before
            the first write.
        pragmas: settings that replace those of `_PRAGMAS`. With those of `log_flusher`, the caller must flush commits.
    """
    wanted_pragmas = _PRAGMAS | dict(pragmas or {})

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        # The driver's own BEGIN is sent only before writes, so earlier reads would be outside the transaction.
        wanted_level = None if begin else "IMMEDIATE"
        if connection.isolation_level != wanted_level:
            connection.isolation_level = wanted_level
        cursor = connection.cursor()
        try:
            for name, (value, wanted) in wanted_pragmas.items():
                cursor.execute(f"PRAGMA {name}={value}")
                cursor.execute(f"PRAGMA {name}")
                found = cursor.fetchone()[0]
                if found != wanted:
                    raise UnsafeStore(
                        f"SQLite uses {name}={found}, but {wanted} is required to prevent data loss. "
                        "Put the data folder on a local disk."
                    )
        finally:
            cursor.close()

    if begin:

        @event.listens_for(engine, "begin")
        def _on_begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql(begin)


def take_turns(engine: sa.Engine, turns: sqlite_driver.WriteTurns) -> None:
    """Make the transactions of an SQLite engine wait for their turn before their first write."""

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


_TURN = "write_turn"
_WRITES = frozenset({"BEGIN ", "INSERT", "UPDATE", "DELETE"})
# The value to set, and the value that SQLite then reports.
_PRAGMAS: dict[str, tuple[str | int, str | int]] = {
    "busy_timeout": (
        sqlite_driver.BUSY_TIMEOUT_MILLISECONDS,
        sqlite_driver.BUSY_TIMEOUT_MILLISECONDS,
    ),
    "journal_mode": ("WAL", "wal"),
    "synchronous": ("FULL", 2),
    "foreign_keys": ("ON", 1),
}


def _is_outage(error: exc.DBAPIError | exc.TimeoutError | _NoConnection) -> bool:
    """Whether the database could not answer, as opposed to a wrong statement."""
    if isinstance(error, _NoConnection):
        return True
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        # Includes sessions that the server ended with another kind of error, such as idle ones.
        return True
    if isinstance(error.__cause__, psycopg.errors.IdleInTransactionSessionTimeout):
        # The same, if the server's message has arrived but the connection is not closed yet.
        return True
    if not isinstance(error, exc.OperationalError | exc.InterfaceError | exc.TimeoutError):
        return False
    # SQLite also reports a wrong statement as an operational error, for which a retry is useless.
    return getattr(error.__cause__, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR


def _was_answered(error: exc.DBAPIError | exc.TimeoutError | _NoConnection) -> bool:
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
