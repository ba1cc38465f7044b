"""A connection to PostgreSQL with deadlines, for servers that neither answer nor close the connection.

This happens if the network loses packets or the server's machine has stopped: such a connection stays open for minutes.
The caller sets a time limit. After it, the connection is closed, and the outcome of the statement is unknown.
"""

import asyncio
import select
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen

from stepiq.store.connections.connection import Fetched

_LEAST_SECONDS = 0.5
CONNECT_SECONDS = 3
_OPENED_AT_ONCE = 2
# What is left of the time of a transaction after its waits. If all of it could be spent on waits, an overloaded process
# would begin only what it has no time to finish.
_TO_FINISH_SECONDS = 1.0
_UNHEARD_MILLISECONDS = 10_000
IDLE_IN_TRANSACTION = "3s"
# Stricter values are kept.
_WAIT_FOR_DISK = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
# Otherwise, a statement that waits for a lock is not ended when its connection is closed. PostgreSQL on Windows refuses
# this setting.
_NOTICE_CLOSED = (
    "SELECT set_config('client_connection_check_interval', '1s', false) "
    "WHERE version() !~* 'windows|visual c|mingw'"
)
_IDLE_SECONDS = 1.0

Answer = TypeVar("Answer")

_deadline: ContextVar[float | None] = ContextVar("store_deadline", default=None)


class NoAnswer(psycopg.OperationalError):
    """The server has not answered in time; the connection is closed."""


@contextmanager
def answering_within(seconds: float) -> Generator[None]:
    """Limit the total time of all statements in this block."""
    before = _deadline.get()
    _deadline.set(asyncio.get_running_loop().time() + seconds)
    try:
        yield
    finally:
        _deadline.set(before)


class PostgresConnection(psycopg.AsyncConnection[Any]):
    """A connection whose waits end at the deadline, or immediately when their task is cancelled.

    On cancellation, the driver would request that the server cancels the statement, and wait up to ten seconds for the
    response. This class closes the connection instead; the server stops when it detects that.
    """

    async def wait(
        self,
        gen: PQGen[Answer],
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ASYNC109 - the driver's signature
    ) -> Answer:
        """Wait for the server. Part of the driver's own interface to its connections."""
        deadline = _deadline.get()
        if timeout is None and deadline is not None:
            timeout = max(_LEAST_SECONDS, deadline - asyncio.get_running_loop().time())
        try:
            return await waiting.wait_async(
                gen, self.pgconn.socket, interval=interval, timeout=timeout
            )
        except psycopg.errors._WaitTimeout as error:  # pyright: ignore[reportPrivateUsage] - what `wait` raises
            self.pgconn.finish()
            raise NoAnswer("The server did not respond in time.") from error
        except asyncio.CancelledError:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise


class Opener:
    """Opens connections for one pool on one event loop, a few at a time.

    On an overloaded machine, many that are opened at once would all exceed their time limit, and be opened again.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._places = asyncio.Semaphore(_OPENED_AT_ONCE)

    async def open(self) -> "PooledConnection":
        """Open a connection.

        Raises:
            NoAnswer: it was not open in time, or could not be opened before the deadline.
        """
        deadline, now = _deadline.get(), asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(None if deadline is None else wait_seconds(deadline - now)):
                await self._places.acquire()
        except TimeoutError:
            raise NoAnswer("The time limit ended while other connections were opened.") from None
        try:
            # The driver's own limit applies to each address of a host, and not to the search for them.
            async with asyncio.timeout(CONNECT_SECONDS):
                opened = await PostgresConnection.connect(
                    self._dsn,
                    autocommit=True,
                    cursor_factory=psycopg.AsyncRawCursor,
                    **alive("stepiq"),
                )
        except TimeoutError:
            raise NoAnswer("The connection was not opened within the time limit.") from None
        finally:
            self._places.release()
        try:
            await opened.execute("; ".join(preparations()).encode())
        except BaseException:
            await opened.close()
            raise
        return PooledConnection(opened)


class PooledConnection:
    """A connection of the pool. Without `begin`, each statement is a transaction."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection
        self._used_at = time.monotonic()

    @property
    def is_closed(self) -> bool:
        return self._connection.closed

    async def begin(self) -> None:
        await self.execute("BEGIN")

    async def execute(self, sql: str, values: Sequence[Any] = ()) -> Fetched:
        cursor = self._connection.cursor()
        try:
            await cursor.execute(sql.encode(), values)
        except psycopg.errors.ReadOnlySqlTransaction:
            # After a failover, the former primary accepts no writes. New connections may reach the new one.
            await self.close()
            raise
        if cursor.description is None:
            return Fetched((), (), cursor.rowcount)
        names = [column.name for column in cursor.description]
        return Fetched(names, await cursor.fetchall(), cursor.rowcount)

    async def execute_many(self, sql: str, values: Sequence[Sequence[Any]]) -> int:
        cursor = self._connection.cursor()
        await cursor.executemany(sql.encode(), values)
        return cursor.rowcount

    async def commit(self) -> None:
        await self.execute("COMMIT")
        self._used_at = time.monotonic()

    async def rollback(self) -> None:
        if self._connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            await self.execute("ROLLBACK")
        self._used_at = time.monotonic()

    async def close(self) -> None:
        await self._connection.close()

    async def check(self) -> None:
        """Send a statement, but only if the connection may be lost.

        The server may have closed it, and has then sent something. Or it was idle for more than a second, in which the
        network may have failed.
        """
        if may_be_lost(self._connection, self._used_at):
            await self.execute("SELECT 1")


def may_be_lost(connection: psycopg.BaseConnection[Any], used_at: float) -> bool:
    """Whether a connection that was last used at this monotonic time must be checked."""
    if connection.closed or time.monotonic() - used_at > _IDLE_SECONDS:
        return True
    readable = select.poll()
    readable.register(connection.fileno(), select.POLLIN)
    return bool(readable.poll(0))


def preparations(*, may_idle: bool = False) -> list[str]:
    """Statements that make a connection wait until commits are durable, and the server end idle transactions.

    Without the idle timeout, the locks of a suspended process would block the same rows for all other processes, as long
    as its connection seems alive. With `may_idle`, transactions may be idle for long, as in migrations that compute
    between statements.
    """
    return [
        *(
            []
            if may_idle
            else [f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION}'"]
        ),
        _WAIT_FOR_DISK,
        _NOTICE_CLOSED,
    ]


def wait_seconds(left: float) -> float:
    """How many of the seconds that are left a transaction may wait before it begins something."""
    return max(left - _TO_FINISH_SECONDS, left / 2)


def alive(application_name: str) -> dict[str, Any]:
    """Connection parameters that detect a server that is gone."""
    return {
        "application_name": application_name,
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        # TCP sends no keep-alives while sent data is not acknowledged.
        "tcp_user_timeout": _UNHEARD_MILLISECONDS,
    }
