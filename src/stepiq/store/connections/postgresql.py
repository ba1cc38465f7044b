"""A connection to PostgreSQL with deadlines, for servers that neither answer nor close the connection.

This happens if the network loses packets or the server's machine has stopped: such a connection stays open for minutes.
The caller sets a time limit. After it, the connection is closed, and the outcome of the statement is unknown.
"""

import asyncio
import select
import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg import waiting
from psycopg.abc import PQGen
from sqlalchemy import event, exc

_LEAST_SECONDS = 0.5
_CONNECT_SECONDS = 3
_OPENED_AT_ONCE = 2
# What is left of the time of a transaction after its waits. If all of it could be spent on waits, an overloaded process
# would begin only what it has no time to finish.
_TO_FINISH_SECONDS = 1.0
_UNHEARD_MILLISECONDS = 10_000
_IDLE_IN_TRANSACTION = "3s"
_IDLE_SECONDS = 1.0
_IDLE_SINCE = "idle_since"

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

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_OPENED_AT_ONCE)

    async def open(self, *arguments: Any, **options: Any) -> PostgresConnection:
        """Open a connection, with the arguments of `psycopg.AsyncConnection.connect`.

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
            async with asyncio.timeout(_CONNECT_SECONDS):
                return await PostgresConnection.connect(*arguments, **options)
        except TimeoutError:
            raise NoAnswer("The connection was not opened within the time limit.") from None
        finally:
            self._places.release()


def wait_seconds(left: float) -> float:
    """How many of the seconds that are left a transaction may wait before it begins something."""
    return max(left - _TO_FINISH_SECONDS, left / 2)


def prepare(engine: sa.Engine, *, may_idle: bool = False) -> None:
    """Make every connection wait until commits are durable, and the server end idle transactions. Replace lost ones.

    Stricter values of `synchronous_commit` are kept. Without the idle timeout, the locks of a suspended process would
    block the same rows for all other processes, as long as its connection seems alive.

    Args:
        engine: the engine whose connections are prepared.
        may_idle: whether transactions may be idle for long, as in migrations that compute between statements.
    """

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        if not may_idle:
            cursor.execute(f"SET idle_in_transaction_session_timeout = '{_IDLE_IN_TRANSACTION}'")
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') = 'off'"
        )
        # Otherwise, a statement that waits for a lock is not ended when its connection is closed. PostgreSQL on Windows
        # refuses this setting.
        cursor.execute(
            "SELECT set_config('client_connection_check_interval', '1s', false) "
            "WHERE version() !~* 'windows|visual c|mingw'"
        )
        cursor.close()
        connection.commit()

    @event.listens_for(engine, "handle_error")
    def _on_error(context: sa.engine.ExceptionContext) -> None:
        # After a failover, the former primary accepts no writes. New connections may reach the new one.
        if isinstance(context.original_exception, psycopg.errors.ReadOnlySqlTransaction):
            context.is_disconnect = True

    _replace_lost(engine)


def _replace_lost(engine: sa.Engine) -> None:
    """Check a connection of the pool with a statement before it is used again, but only if it may be lost.

    The server may have closed it, and has then sent something. Or it was idle for more than a second, in which the
    network may have failed. A pool that uses the latest connection first has few that were idle.
    """

    @event.listens_for(engine, "checkin")
    def _on_checkin(_connection: Any, record: Any) -> None:
        record.info[_IDLE_SINCE] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _on_checkout(connection: Any, record: Any, _proxy: Any) -> None:
        since = record.info.get(_IDLE_SINCE)
        if since is None or not _may_be_lost(record.driver_connection, since):
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as error:
            if record.driver_connection.closed:
                # All others were probably closed with it.
                raise exc.InvalidatePoolError from error
            raise


def _may_be_lost(connection: psycopg.BaseConnection[Any], idle_since: float) -> bool:
    if connection.closed or time.monotonic() - idle_since > _IDLE_SECONDS:
        return True
    readable = select.poll()
    readable.register(connection.fileno(), select.POLLIN)
    return bool(readable.poll(0))


def alive(application_name: str) -> dict[str, Any]:
    """Connection parameters that detect a server that is gone."""
    return {
        "application_name": application_name,
        "connect_timeout": _CONNECT_SECONDS,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        # TCP sends no keep-alives while sent data is not acknowledged.
        "tcp_user_timeout": _UNHEARD_MILLISECONDS,
    }
