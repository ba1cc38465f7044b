"""Makes the commits to an SQLite file durable. Commits at about the same time share one wait for the disk.

With `synchronous=NORMAL`, SQLite appends a transaction to its write-ahead log without waiting for the disk. A power
failure can then lose the last transactions, in the order of their commits, but never damages the file
(https://www.sqlite.org/pragma.html#pragma_synchronous). After a flush of the log, they are as safe as with
`synchronous=FULL`, but no transaction keeps the write lock while it waits for the disk.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from stepiq.core import logging
from stepiq.store.sqlite_driver import BUSY_TIMEOUT_MILLISECONDS, WriteTurns

log = logging.get(__name__)

COMMITS_PER_CHECKPOINT = 250
"""SQLite itself moves the log into the database after 1,000 pages. A transaction of a run writes about five."""

# Unlike `fsync`, it does not wait for metadata such as the time of the change.
_flush: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class LogFlusher:
    """Flushes the write-ahead log of one file, and moves its content into the database from time to time."""

    def __init__(self, path: Path, turns: WriteTurns) -> None:
        self._path = path
        self._log = Path(f"{path}-wal")
        self._turns = turns
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="sqlite-log")
        self._waiting: list[asyncio.Future[None]] = []
        self._is_flushing = False
        self._is_uncertain = False
        self._commits = 0
        self._checkpoint: Future[None] | None = None

    async def flush(self) -> None:
        """Wait until everything that has been committed before this call is on the disk.

        Raises:
            OSError, sqlite3.Error: the disk failed. It is unknown what is on it.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        if not self._is_flushing:
            self._start()
        await done

    def _start(self) -> None:
        """Flush once for all who wait now. Those who come later may have committed after the flush began."""
        loop = asyncio.get_running_loop()
        waiting, self._waiting = self._waiting, []
        self._is_flushing = True
        flushing = self._threads.submit(
            self._recover_and_flush if self._is_uncertain else self._flush
        )
        flushing.add_done_callback(
            lambda _: loop.call_soon_threadsafe(self._end, waiting, flushing)
        )

    def _end(self, waiting: list[asyncio.Future[None]], flushing: Future[None]) -> None:
        self._is_flushing = False
        error = flushing.exception()
        self._is_uncertain = error is not None
        for done in waiting:
            # A waiting task may have been cancelled.
            if not done.done():
                done.set_result(None) if error is None else done.set_exception(error)
        self._commits += len(waiting)
        if self._commits >= COMMITS_PER_CHECKPOINT and (
            self._checkpoint is None or self._checkpoint.done()
        ):
            self._commits = 0
            self._checkpoint = self._threads.submit(self._move_in_background)
        if self._waiting:
            self._start()

    def _flush(self) -> None:
        # Opened for each flush, because SQLite deletes the file when no connection is open.
        descriptor = os.open(self._log, os.O_RDONLY)
        try:
            _flush(descriptor)
        finally:
            os.close(descriptor)

    def _recover_and_flush(self) -> None:
        """Flush after a flush that failed.

        The system may report success for pages that it has discarded. SQLite still reads them from memory, so it can
        write them to the database.
        """
        self._move_all()
        self._flush()

    def _move_all(self) -> None:
        self._turns.take()
        try:
            with closing(self._connect()) as connection:
                is_busy, in_log, moved = _move(connection, "FULL")
        finally:
            self._turns.release()
        if is_busy or in_log != moved:
            raise sqlite3.OperationalError(
                "the write-ahead log could not be moved into the database"
            )

    def _move_in_background(self) -> None:
        """Move the log into the database, so that the next transaction can start it from its beginning."""
        try:
            with closing(self._connect()) as connection:
                _move(connection, "PASSIVE")
                self._turns.take()
                try:
                    # What was committed in the meantime.
                    _move(connection, "PASSIVE")
                    # The first write after that waits for the disk.
                    connection.execute("UPDATE alembic_version SET version_num = version_num")
                finally:
                    self._turns.release()
        except sqlite3.Error as error:
            # The next transactions report a fault that lasts.
            log.warning("checkpoint_failed", reason=str(error))

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_MILLISECONDS / 1_000, isolation_level=None
        )

    async def close(self) -> None:
        """Wait for a flush and a checkpoint in progress."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)


def _move(connection: sqlite3.Connection, mode: str) -> tuple[int, int, int]:
    return connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
