"""One worker process for a database: two would carry the same runs."""

import fcntl
import os
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from stepiq.core.errors import Conflict
from stepiq.store.database import Database

# Any fixed number; it spells STEPIQ.
_ADVISORY_LOCK = 0x5354_4550_4951


class WorkerRunning(Conflict):
    """Another process works on this database."""

    code = "worker_running"


class WorkerLock:
    """A lock that ends with the process that holds it, however it ends: of a file on SQLite, of a session on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._file: int | None = None
        self._connection: AsyncConnection | None = None

    async def acquire(self) -> None:
        """Take the lock.

        Raises:
            WorkerRunning: another process has it.
        """
        path = self._database.path
        if path is None:
            self._connection = await self._database.hold_lock(_ADVISORY_LOCK)
            if self._connection is None:
                raise WorkerRunning(
                    "Another stepIQ worker uses this database. Stop it first: this version runs one."
                )
            return
        self._file = _lock_file(Path(f"{path}.lock"))

    async def release(self) -> None:
        """Give the lock back; does nothing without it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self._connection is not None:
            await self._database.give_lock_back(self._connection, _ADVISORY_LOCK)
            self._connection = None


def _lock_file(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        database = path.with_suffix("")
        raise WorkerRunning(
            f"Another stepIQ process (pid {owner}) uses {database}. Stop it first, or give this one "
            "another STEPIQ_DATA_DIR."
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    return handle
