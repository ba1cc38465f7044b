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
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from stepiq.store.connections.connection import Fetched
from stepiq.store.connections.faults import UnsafeStore

BUSY_TIMEOUT_MILLISECONDS = 30_000
"""How long a connection waits for a lock."""
_BEGIN = "BEGIN IMMEDIATE"
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
_CACHED_STATEMENTS = 512

Pragmas = Mapping[str, tuple[str | int, str | int]]
"""Settings of a connection: the value to set, and the value that SQLite then reports."""
PRAGMAS: Pragmas = {
    "busy_timeout": (BUSY_TIMEOUT_MILLISECONDS, BUSY_TIMEOUT_MILLISECONDS),
    "journal_mode": ("WAL", "wal"),
    "synchronous": ("FULL", 2),
    "foreign_keys": ("ON", 1),
}

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


def set_pragmas(connection: Any, pragmas: Pragmas) -> None:
    """Set and verify the settings of a connection.

    Raises:
        UnsafeStore: SQLite does not accept one of them.
    """
    for name, (value, wanted) in pragmas.items():
        connection.execute(f"PRAGMA {name}={value}")
        (found,) = connection.execute(f"PRAGMA {name}").fetchone()
        if found != wanted:
            raise UnsafeStore(
                f"SQLite uses {name}={found}, but {wanted} is required to prevent data loss. "
                "Put the data folder on a local disk."
            )


class _SqliteConnection:
    """What connections of readers and of writers have in common."""

    def __init__(self, path: Path, pragmas: Pragmas) -> None:
        self._open = sqlite3.connect(
            path,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_CACHED_STATEMENTS,
        )
        try:
            set_pragmas(self._open, pragmas)
        except BaseException:
            self._open.close()
            raise
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self.is_closed = False

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

    async def check(self) -> None:
        """Do nothing: a file does not go away while it is open."""

    async def close(self) -> None:
        self.is_closed = True
        self._thread.shutdown(wait=False)
        self._open.close()


def _fetch(cursor: sqlite3.Cursor) -> Fetched:
    if cursor.description is None:
        return Fetched((), (), cursor.rowcount)
    rows = cursor.fetchall()
    return Fetched([column[0] for column in cursor.description], rows, cursor.rowcount)


class SqliteWriter(_SqliteConnection):
    """A connection for transactions that write."""

    def __init__(self, path: Path, turns: WriteTurns, pragmas: Pragmas = PRAGMAS) -> None:
        super().__init__(path, pragmas)
        self._turns = turns
        self._has_turn = False
        self._held_since = inf
        """When the transaction began, or last let other tasks run."""

    async def begin(self) -> None:
        """Take the write lock, in a thread if it is not free."""
        if not self._begin_now():
            await self.off_loop(self._begin)
        self._held_since = time.perf_counter()

    async def execute(self, sql: str, values: Sequence[Any] = ()) -> Fetched:
        await self._let_others_run()
        return _fetch(self._open.execute(sql, values))

    async def execute_many(self, sql: str, values: Sequence[Sequence[Any]]) -> int:
        changed = 0
        for start in range(0, len(values), _ROWS):
            await self._let_others_run()
            changed += self._open.executemany(sql, values[start : start + _ROWS]).rowcount
        return changed

    async def _let_others_run(self) -> None:
        """Let other tasks run if the transaction may have held the event loop for long."""
        if time.perf_counter() - self._held_since > _LONGEST_HOLD_SECONDS:
            await asyncio.sleep(0)
            self._held_since = time.perf_counter()

    def _begin_now(self) -> bool:
        if not self._turns.take_now():
            return False
        self._has_turn = True
        try:
            self._open.execute("PRAGMA busy_timeout=0")
            self._open.execute(_BEGIN)
        except sqlite3.OperationalError:
            # Another process writes.
            return False
        except BaseException:
            self._release()
            raise
        finally:
            self._open.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MILLISECONDS}")
        return True

    def _begin(self) -> None:
        if not self._has_turn:
            self._turns.take()
            self._has_turn = True
        try:
            self._open.execute(_BEGIN)
        except BaseException:
            self._release()
            raise

    def _release(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._turns.release()

    async def commit(self) -> None:
        # If it fails, a rollback follows.
        self._open.commit()
        self._release()

    async def rollback(self) -> None:
        self._open.rollback()
        self._release()

    async def close(self) -> None:
        try:
            await super().close()
        finally:
            self._release()


class SqliteReader(_SqliteConnection):
    """A connection for read-only statements of any length."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, PRAGMAS)
        self._deadline = inf
        self._inline_seconds = 0.0
        """Time of its statements on the event loop since it last let other tasks run."""
        self._open.set_progress_handler(self._is_late, _STEPS)

    async def begin(self) -> None:
        # On the event loop: SQLite can report that it interrupted a statement that has just begun a transaction.
        self._open.execute("BEGIN")

    async def execute(self, sql: str, values: Sequence[Any] = ()) -> Fetched:
        return await self.read(lambda: _fetch(self._open.execute(sql, values)))

    async def execute_many(self, sql: str, values: Sequence[Sequence[Any]]) -> int:
        raise NotImplementedError

    async def commit(self) -> None:
        self._open.commit()

    async def rollback(self) -> None:
        self._open.rollback()

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
