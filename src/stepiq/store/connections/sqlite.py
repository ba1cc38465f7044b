"""SQLite connections for asyncio that use a thread only for operations that can take a long time.

A statement in an open transaction takes microseconds, while each of its four handoffs to a thread and back takes a
tenth of a millisecond, and much longer if the processors are busy. Writers use a thread only to wait for the write
lock. Their statements must be short and use an index, and their commits do not wait for the disk
(`store.connections.log_flusher`). Long transactions let other tasks run between their statements.

Statements of readers may take longer: they start on the event loop, and those that have not finished after half a
millisecond start again in a thread.
"""

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any, TypeVar

BUSY_TIMEOUT_MILLISECONDS = 30_000
"""How long a connection waits for a lock."""
_BEGIN = "BEGIN"
_WAITS_FOR_LOCK = f"{_BEGIN} IMMEDIATE"
_INLINE_SECONDS = 0.0005
"""How long a statement of a reader may take on the event loop."""
_YIELD_SECONDS = 0.001
"""After so much time of its statements on the event loop, a reader lets other tasks run."""
_LONGEST_HOLD_SECONDS = 0.01
"""After so much time on the event loop, a writer lets other tasks run."""
_ROWS = 25
"""Maximum number of rows that a writer writes without a look at the clock."""
_STEPS = 500
"""Steps of SQLite's virtual machine between two clock checks on the event loop; about 20 µs."""
_STEPS_IN_THREAD = 200_000
"""Fewer checks, because each one waits for the GIL; about 10 ms."""

Result = TypeVar("Result")


class WriteTurns:
    """Lets the connections of this process write to a file in the order in which they ask.

    SQLite does not queue the callers of its lock. Each retries after a pause of up to 0.1 seconds, so it can wait for as
    long as others keep writing.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._is_taken = False
        self._waiting = deque[threading.Event]()

    def take_now(self) -> bool:
        """Take a turn if no other connection has it. Returns whether it did; if so, the caller must `release` it."""
        with self._guard:
            if self._is_taken:
                return False
            self._is_taken = True
            return True

    def take(self) -> None:
        """Wait in this thread for a turn. The caller must `release` it.

        Raises:
            sqlite3.OperationalError: another transaction has not ended within SQLite's own time limit.
        """
        turn = threading.Event()
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return
            self._waiting.append(turn)
        if turn.wait(BUSY_TIMEOUT_MILLISECONDS / 1_000):
            return
        with self._guard:
            if turn.is_set():
                return
            self._waiting.remove(turn)
        raise sqlite3.OperationalError("database is locked")

    def release(self) -> None:
        """Give the turn to the connection that has waited longest."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False


async def connect(path: Path, turns: WriteTurns) -> "SqliteConnection":
    """Open the file for writers. Transactions begin and end only with explicit statements of the caller."""
    return SqliteConnection(_open(path), turns)


async def connect_reader(path: Path) -> "SqliteReader":
    """Open the file for readers. Transactions begin and end only with explicit statements of the caller."""
    return SqliteReader(_open(path))


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


class Cursor:
    """The methods that SQLAlchemy's asyncio dialect calls on a cursor."""

    def __init__(self, connection: "SqliteConnection", cursor: sqlite3.Cursor) -> None:
        self._connection = connection
        self._cursor = cursor
        self._rowcount: int | None = None

    async def __aenter__(self) -> "Cursor":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._cursor.close()

    @property
    def description(self) -> Any:
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount if self._rowcount is None else self._rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._cursor.lastrowid

    @property
    def arraysize(self) -> int:
        return self._cursor.arraysize

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> "Cursor":
        if statement == _WAITS_FOR_LOCK:
            await self._connection.begin(lambda: self._cursor.execute(statement))
        else:
            await self._connection.let_others_run()
            self._cursor.execute(statement, parameters)
            self._rowcount = None
        return self

    async def executemany(self, statement: str, parameters: Iterable[Sequence[Any]]) -> "Cursor":
        rows = iter(parameters)
        self._rowcount = 0
        while some := list(islice(rows, _ROWS)):
            await self._connection.let_others_run()
            self._cursor.executemany(statement, some)
            self._rowcount += self._cursor.rowcount
        return self

    async def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    async def close(self) -> None:
        self._cursor.close()


class SqliteConnection:
    """The methods that SQLAlchemy's asyncio dialect calls on a connection."""

    def __init__(self, connection: sqlite3.Connection, turns: WriteTurns) -> None:
        # The dialect reads this attribute to check whether the connection is open.
        self._connection: sqlite3.Connection | None = connection
        self._open = connection
        self._turns = turns
        self._has_turn = False
        self._held_since = inf
        """When the transaction began, or last let other tasks run."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")

    @property
    def isolation_level(self) -> str | None:
        return self._open.isolation_level

    async def off_loop(self, action: Callable[[], Result]) -> Result:
        """Run a blocking action in a thread. A cancelled caller still waits for it: the connection is in use."""
        # `run_in_executor` and `asyncio.wait` would take two more iterations of the event loop, which are long if the
        # process is busy.
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        running = self._thread.submit(action)

        def wake() -> None:
            if not done.done():
                done.set_result(None)

        running.add_done_callback(lambda _: loop.call_soon_threadsafe(wake))
        cancelled: asyncio.CancelledError | None = None
        while not running.done() or not done.done():
            try:
                await done
            except asyncio.CancelledError as error:
                cancelled = error
                self._abandon()
                done = loop.create_future()
                if running.done():
                    break
        if cancelled is not None:
            running.exception()
            raise cancelled
        return running.result()

    def _abandon(self) -> None:
        """Called when no caller waits for the action in the thread any more."""

    def cursor(self) -> Cursor:
        return Cursor(self, self._open.cursor())

    async def begin(self, action: Callable[[], Any]) -> None:
        """Begin a writing transaction with this action. If the file cannot be locked at once, wait in a thread."""
        if self._turns.take_now():
            self._has_turn = True
            if self._begin_now(action):
                self._held_since = time.perf_counter()
                return
        await self.off_loop(lambda: self._begin(action))
        self._held_since = time.perf_counter()

    async def let_others_run(self) -> None:
        """Let other tasks run if the transaction may have held the event loop for long."""
        if time.perf_counter() - self._held_since > _LONGEST_HOLD_SECONDS:
            await asyncio.sleep(0)
            self._held_since = time.perf_counter()

    def _begin_now(self, action: Callable[[], Any]) -> bool:
        try:
            self._open.execute("PRAGMA busy_timeout=0")
            action()
        except sqlite3.OperationalError:
            # Another process writes.
            return False
        except BaseException:
            self._release()
            raise
        finally:
            self._open.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MILLISECONDS}")
        return True

    def _begin(self, action: Callable[[], Any]) -> None:
        if not self._has_turn:
            self._turns.take()
            self._has_turn = True
        try:
            action()
        except BaseException:
            self._release()
            raise

    def _release(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._turns.release()

    async def create_function(self, *arguments: Any, **options: Any) -> None:
        self._open.create_function(*arguments, **options)

    async def commit(self) -> None:
        # If it fails, a rollback follows.
        self._open.commit()
        self._release()

    async def rollback(self) -> None:
        self._open.rollback()
        self._release()

    async def close(self) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the connection immediately."""
        self._connection = None
        self._thread.shutdown(wait=False)
        try:
            self._open.close()
        finally:
            self._release()


class _ReadingCursor(Cursor):
    """A cursor that has fetched all rows when `execute` returns."""

    def __init__(self, connection: "SqliteReader", cursor: sqlite3.Cursor) -> None:
        super().__init__(connection, cursor)
        self._reader = connection
        self._rows: list[Any] = []

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Cursor:
        if statement == _BEGIN:
            # SQLite can report that it interrupted a statement that has just begun a transaction. Repeating it would fail.
            self._cursor.execute(statement)
            return self

        def rows() -> list[Any]:
            return self._cursor.execute(statement, parameters).fetchall()

        self._rows = await self._reader.read(rows)
        return self

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows


class SqliteReader(SqliteConnection):
    """A connection for read-only statements of any length."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection, WriteTurns())
        self._deadline = inf
        self._inline_seconds = 0.0
        """Time of its statements on the event loop since it last let other tasks run."""
        connection.set_progress_handler(self._is_late, _STEPS)

    def cursor(self) -> Cursor:
        return _ReadingCursor(self, self._open.cursor())

    async def read(self, action: Callable[[], Result]) -> Result:
        """Execute a statement on the event loop, or again in a thread if it takes long.

        If the caller is cancelled, the statement is interrupted.
        """
        if self._inline_seconds > _YIELD_SECONDS:
            self._inline_seconds = 0.0
            await asyncio.sleep(0)
        started = time.perf_counter()
        self._deadline = started + _INLINE_SECONDS
        try:
            return action()
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
                raise
        finally:
            self._deadline = inf
            self._inline_seconds += time.perf_counter() - started
        self._open.set_progress_handler(self._is_late, _STEPS_IN_THREAD)
        try:
            return await self.off_loop(action)
        finally:
            self._deadline = inf
            self._open.set_progress_handler(self._is_late, _STEPS)

    def _abandon(self) -> None:
        self._deadline = -inf

    def _is_late(self) -> bool:
        return time.perf_counter() > self._deadline
