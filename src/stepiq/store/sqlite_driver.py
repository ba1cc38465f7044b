"""An SQLite connection for asyncio that uses a thread only for operations that can block.

A statement in an open transaction takes microseconds, while each of its four hand-overs to a thread and back takes a
tenth of a millisecond. So only taking the write lock and the commit's fsync run in a thread. Use it for transactions
of short, indexed statements; long reads need a driver with its own thread.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

_WAITS_FOR_LOCK = "BEGIN IMMEDIATE"

Result = TypeVar("Result")


async def connect(path: Path) -> "SqliteConnection":
    """Open the file. Transactions begin and end only with explicit statements of the caller."""
    return SqliteConnection(sqlite3.connect(path, isolation_level=None, check_same_thread=False))


class Cursor:
    """The methods that SQLAlchemy's asyncio dialect calls on a cursor."""

    def __init__(self, connection: "SqliteConnection", cursor: sqlite3.Cursor) -> None:
        self._connection = connection
        self._cursor = cursor

    async def __aenter__(self) -> "Cursor":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._cursor.close()

    @property
    def description(self) -> Any:
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._cursor.lastrowid

    @property
    def arraysize(self) -> int:
        return self._cursor.arraysize

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> "Cursor":
        if statement == _WAITS_FOR_LOCK:
            await self._connection.off_loop(lambda: self._cursor.execute(statement))
        else:
            self._cursor.execute(statement, parameters)
        return self

    async def executemany(self, statement: str, parameters: Iterable[Sequence[Any]]) -> "Cursor":
        self._cursor.executemany(statement, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    async def close(self) -> None:
        self._cursor.close()


class SqliteConnection:
    """The methods that SQLAlchemy's asyncio dialect calls on a connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        # The dialect reads this attribute to check whether the connection is open.
        self._connection: sqlite3.Connection | None = connection
        self._open = connection
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")

    @property
    def isolation_level(self) -> str | None:
        return self._open.isolation_level

    async def off_loop(self, action: Callable[[], Result]) -> Result:
        """Run a blocking action in a thread. A cancelled caller still waits for it: the connection is in use."""
        doing = asyncio.get_running_loop().run_in_executor(self._thread, action)
        cancelled: asyncio.CancelledError | None = None
        while not doing.done():
            try:
                await asyncio.wait({doing})
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            doing.exception()
            raise cancelled
        return doing.result()

    def cursor(self) -> Cursor:
        return Cursor(self, self._open.cursor())

    async def create_function(self, *arguments: Any, **options: Any) -> None:
        self._open.create_function(*arguments, **options)

    async def commit(self) -> None:
        await self.off_loop(self._open.commit)

    async def rollback(self) -> None:
        self._open.rollback()

    async def close(self) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the connection immediately."""
        self._connection = None
        self._thread.shutdown(wait=False)
        self._open.close()
