"""Makes the commits to an SQLite file durable. Commits at about the same time share one wait for the disk.

With `synchronous=NORMAL`, SQLite appends a transaction to its write-ahead log without waiting for the disk. A power
failure can then lose the most recent transactions, but does not corrupt the file
(https://www.sqlite.org/pragma.html#pragma_synchronous). After a flush of the log, they are durable as with
`synchronous=FULL`, but no transaction keeps the write lock while it waits for the disk.
"""

import asyncio
import os
import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from stepiq.core.observability import logging
from stepiq.store.connections.sqlite import PRAGMAS, Pragmas, WriteTurns

log = logging.get(__name__)

FLUSHED: Pragmas = {**PRAGMAS, "synchronous": ("NORMAL", 1), "wal_autocheckpoint": (0, 0)}
"""Settings of the connection whose commits are flushed here."""
WRITE_NOTHING = "UPDATE alembic_version SET version_num = version_num"
"""Writes a page without changing data. SQLite would write nothing if the column had no index."""
COMMITS_PER_CHECKPOINT = 250
"""SQLite itself moves the log into the database after 1,000 pages. A transaction of a run writes about five."""
_COMMITS_UNTIL_NEXT_TRY = 50
_RECOVERY_BUSY_SECONDS = 1.0
_RESTART_BUSY_SECONDS = 0.1
"""How long a checkpoint waits for transactions that read the log, while other writers wait for it."""
_RETRY_SECONDS = 1.0


class LogFlusher:
    """Flushes the write-ahead log of one file, and moves its content into the database from time to time."""

    def __init__(self, path: Path, turns: WriteTurns) -> None:
        self._path = path
        self._log = Path(f"{path}-wal")
        self._turns = turns
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="sqlite-log")
        self._descriptor: int | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._flushing: Future[None] | None = None
        self._is_uncertain = False
        """Whether a flush or a checkpoint has failed, so that the disk may not have all of the log."""
        self._commits = 0
        self._commits_until_move = COMMITS_PER_CHECKPOINT
        self._moving: Future[bool] | None = None
        self._timer: asyncio.TimerHandle | None = None
        """Of the next recovery."""

    async def flush(self) -> None:
        """Wait until everything that has been committed before this call is on the disk.

        Raises:
            OSError, sqlite3.Error, RuntimeError: the flush failed. The transactions may or may not be durable.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._start()
        await done

    def _start(self) -> None:
        """Start one flush for all who wait now. Later callers may have committed after it began, so they need another."""
        if self._flushing is not None:
            return
        loop = asyncio.get_running_loop()
        waiting, self._waiting = self._waiting, []
        recovers = self._is_uncertain
        action = self._recover_and_flush if recovers else self._flush
        try:
            self._flushing = self._threads.submit(action)
        except RuntimeError as error:
            # There can be no further thread, or the flusher is closed.
            _settle(waiting, error)
            return
        self._flushing.add_done_callback(
            lambda flushing: loop.call_soon_threadsafe(self._end, waiting, flushing, recovers)
        )

    def _end(
        self, waiting: Sequence[asyncio.Future[None]], flushing: Future[None], recovers: bool
    ) -> None:
        self._flushing = None
        error = flushing.exception()
        _settle(waiting, error)
        if error is not None:
            self._recover_soon()
        elif recovers:
            self._is_uncertain = False
        if self._waiting:
            self._start()
        if not self._is_uncertain:
            self._commits += len(waiting)
            self._move_if_due()

    def _recover_soon(self) -> None:
        # Not only with the next transaction, because others have seen what may not be durable.
        self._is_uncertain = True
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._recover)

    def _recover(self) -> None:
        self._timer = None
        if self._is_uncertain and self._flushing is None:
            self._start()
        elif self._is_uncertain:
            self._recover_soon()

    def _flush(self) -> None:
        # A new descriptor would not report an error that another one has reported. SQLite deletes the file when no
        # connection is open.
        if self._descriptor is None or os.fstat(self._descriptor).st_ino != self._log.stat().st_ino:
            self._close_descriptor()
            self._descriptor = os.open(self._log, os.O_RDONLY)
        # Unlike `fsync`, it does not write metadata that is not needed to read the data, such as the time of the change.
        getattr(os, "fdatasync", os.fsync)(self._descriptor)

    def _recover_and_flush(self) -> None:
        """Flush after a flush or a checkpoint that failed.

        After an error, the kernel may report success although it did not write some pages. They are usually still in its
        cache, so they can be written to the database. The log must then end: after a power failure, SQLite would copy the
        intact part of it over newer pages.
        """
        self._turns.take()
        try:
            with closing(self._connect(_RECOVERY_BUSY_SECONDS)) as connection:
                if not _move(connection, "TRUNCATE"):
                    raise sqlite3.OperationalError("the write-ahead log is in use")
        finally:
            self._turns.release()
        self._flush()

    def _move_if_due(self) -> None:
        if self._moving is not None or self._commits < self._commits_until_move:
            return
        loop = asyncio.get_running_loop()
        self._commits = 0
        self._moving = self._threads.submit(self._move_in_background)
        self._moving.add_done_callback(
            lambda moving: loop.call_soon_threadsafe(self._end_move, moving)
        )

    def _end_move(self, moving: Future[bool]) -> None:
        self._moving = None
        self._commits_until_move = COMMITS_PER_CHECKPOINT
        if (error := moving.exception()) is not None:
            log.warning("checkpoint_failed", reason=str(error))
            self._recover_soon()
        elif not moving.result():
            self._commits_until_move = _COMMITS_UNTIL_NEXT_TRY

    def _move_in_background(self) -> bool:
        """Move the log into the database. Returns whether the next write can use the log from its start."""
        with closing(self._connect(_RESTART_BUSY_SECONDS)) as connection:
            _move(connection, "PASSIVE")
            self._turns.take()
            try:
                # Also move what was committed since.
                if not _move(connection, "RESTART"):
                    return False
                # The next write restarts the log and waits for the disk. Do it here, not on the event loop.
                connection.execute(WRITE_NOTHING)
                return True
            finally:
                self._turns.release()

    def _connect(self, busy_seconds: float) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=busy_seconds, isolation_level=None)

    def _close_descriptor(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    async def close(self) -> None:
        """Wait for flushes and a checkpoint in progress."""
        if self._timer is not None:
            self._timer.cancel()
        while self._flushing is not None:
            await asyncio.gather(asyncio.wrap_future(self._flushing), return_exceptions=True)
            # Then `_end` is called.
            await asyncio.sleep(0)
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
        self._close_descriptor()


def _settle(waiting: Sequence[asyncio.Future[None]], error: BaseException | None) -> None:
    for done in waiting:
        # A waiting task may have been cancelled.
        if not done.done():
            done.set_result(None) if error is None else done.set_exception(error)


def _move(connection: sqlite3.Connection, mode: str) -> bool:
    """Move the log into the database. Returns whether all of it was moved, and nobody reads it any more."""
    is_busy, in_log, moved = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    return not is_busy and in_log == moved
