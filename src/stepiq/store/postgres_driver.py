"""A connection to PostgreSQL with deadlines, for servers that neither answer nor close the connection.

This happens if the network loses packets or the server's machine has stopped: such a connection stays open for minutes.
The caller sets a time limit. After it, the connection is closed, and the outcome of the statement is unknown.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen

_LEAST_SECONDS = 0.5

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
