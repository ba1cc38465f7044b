"""A connection to PostgreSQL that does not wait for ever for a server that neither answers nor hangs up.

So it is behind a network that loses packets, or when the server's machine has stopped: nothing ends such a connection for
minutes. Whoever asks says how long an answer may take; then the connection is closed, and what was asked is unknown.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen

_LEAST_SECONDS = 1.0

Answer = TypeVar("Answer")

_deadline: ContextVar[float | None] = ContextVar("store_deadline", default=None)


class NoAnswer(psycopg.OperationalError):
    """The server has not answered in time; the connection is closed."""


@contextmanager
def answering_within(seconds: float) -> Generator[None]:
    """Bound how long all that is asked in here may take, together."""
    before = _deadline.get()
    _deadline.set(asyncio.get_running_loop().time() + seconds)
    try:
        yield
    finally:
        _deadline.set(before)


class Connection(psycopg.AsyncConnection[Any]):
    """A connection whose waits end with the deadline, and at once when their task is cancelled.

    The driver would ask the server to stop the statement and wait up to ten seconds for its word; here whoever waits no longer
    closes the connection, and the server stops when it notices.
    """

    async def wait(
        self,
        gen: PQGen[Answer],
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ASYNC109 - as the driver has it
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
