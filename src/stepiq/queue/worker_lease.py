"""Worker leases: each live worker holds a lock that is released when its process ends, even after a crash.

On SQLite it is a file lock, and there is one worker. On PostgreSQL it is a session-level advisory lock. The server ends
a session that is idle for four seconds, so a worker that was stopped or cut off loses its lock.
"""

import asyncio
import fcntl
import math
import os
import secrets
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psycopg
import sqlalchemy as sa

from stepiq.core.errors import Conflict
from stepiq.core.observability import logging
from stepiq.store.connections.postgresql import answering_within
from stepiq.store.database import Database, Session, StoreUnavailable, outages_reported

log = logging.get(__name__)

LEASE_SECONDS = 4
"""A worker on PostgreSQL that sends no heartbeat for this long counts as dead."""
_SIGN_SECONDS = 1.0
_RETRY_SECONDS = 0.5
_LOCK_SECONDS = 3 * LEASE_SECONDS
# An arbitrary number that separates workers' locks from others ("STIQ" in ASCII).
_WORKERS = 0x5354_4951
_LARGEST = 2**31
_PREFIX = "worker-"

# `pg_locks` shows the two keys of an advisory lock as `classid` and `objid`, with `objsubid` = 2.
_PRESENT = sa.text(
    "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted"
    " AND classid = :workers"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class WorkerRunning(Conflict):
    """Another process uses this database."""

    code = "worker_running"


class Presence(Protocol):
    """A worker's lease."""

    executor_id: str
    """Unique id of this worker; never reused."""
    restored_at: float
    """When this worker last recovered its lease after a loss, on the event loop's clock. Infinite while it is lost, and
    minus infinity if it was never lost."""

    async def acquire(self) -> None:
        """Acquire the lease.

        Raises:
            WorkerRunning: another process uses this SQLite database.
            StoreUnavailable: the database cannot be reached.
        """
        ...

    async def release(self) -> None:
        """Release the lease; does nothing if it is not held."""
        ...

    async def absent(self, session: Session, executors: Collection[str]) -> set[str]:
        """The executors, other than this one, that hold no lease."""
        ...

    async def present(self, session: Session) -> set[str]:
        """The executors that hold a lease."""
        ...


def presence_of(database: Database) -> Presence:
    """Create the lease that fits the database. It is not acquired yet."""
    number = secrets.randbelow(_LARGEST)
    if database.path is None:
        return SessionPresence(database, number)
    return FilePresence(_lock_path(database.path), number)


class FilePresence:
    """The lease of the only worker of an SQLite database."""

    def __init__(self, path: Path, number: int) -> None:
        self.executor_id = f"{_PREFIX}{number}"
        self.restored_at = -math.inf
        self._path = path
        self._file: int | None = None

    async def acquire(self) -> None:
        self._file = _lock_file(self._path)

    async def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    async def absent(self, session: Session, executors: Collection[str]) -> set[str]:
        return set(executors) - {self.executor_id}

    async def present(self, session: Session) -> set[str]:
        return set() if self._file is None else {self.executor_id}


class SessionPresence:
    """The lease of one of several workers on PostgreSQL."""

    def __init__(self, database: Database, number: int) -> None:
        self.executor_id = f"{_PREFIX}{number}"
        self.restored_at = -math.inf
        self._database = database
        self._number = number
        self._connection: psycopg.AsyncConnection | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def acquire(self) -> None:
        self._connection = await self._lock()
        self.restored_at = -math.inf
        self._keeping = asyncio.create_task(self._keep())

    async def release(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
            self._keeping = None
        await self._close()

    async def absent(self, session: Session, executors: Collection[str]) -> set[str]:
        return set(executors) - await self.present(session) - {self.executor_id}

    async def present(self, session: Session) -> set[str]:
        found = await session.execute(_PRESENT, {"workers": _WORKERS})
        return {f"{_PREFIX}{number}" for number in found.scalars()}

    async def _lock(self) -> psycopg.AsyncConnection:
        connection = await self._database.connect_alone("worker")
        try:
            with outages_reported(), answering_within(_LOCK_SECONDS):
                await connection.execute(f"SET idle_session_timeout = '{LEASE_SECONDS}s'".encode())
                # An earlier session of this worker that was cut off may hold the lock until it times out.
                await connection.execute(
                    "SELECT pg_advisory_lock(%s, %s)", (_WORKERS, self._number)
                )
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _keep(self) -> None:
        while True:
            try:
                if self._connection is None:
                    self._connection = await self._lock()
                    self.restored_at = asyncio.get_running_loop().time()
                    log.info("worker_presence_restored")
                while True:
                    await _wait_for_end(self._connection, _SIGN_SECONDS)
                    with answering_within(LEASE_SECONDS):
                        await self._connection.execute("SELECT 1")
            except (psycopg.Error, OSError, StoreUnavailable) as error:
                self.restored_at = math.inf
                log.warning("worker_presence_lost", reason=type(error).__name__)
            await self._close()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


async def _wait_for_end(connection: psycopg.AsyncConnection, seconds: float) -> None:
    """Wait, and raise the driver's error if the session ends meanwhile."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async for _ in connection.notifies():
                pass


def _lock_path(database: Path) -> Path:
    return Path(f"{database}.lock")


def owner(database: Path) -> str | None:
    """Process id of the process that uses an SQLite database, `unknown` while it is starting; None if there is none."""
    try:
        handle = os.open(_lock_path(database), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid_in(handle)
    finally:
        os.close(handle)
    return None


def require_unused(database: Path) -> None:
    """Refuse an SQLite database that another process uses. Does not acquire the lease.

    Raises:
        WorkerRunning: another process uses it.
    """
    if (pid := owner(database)) is not None:
        raise _used(database, pid)


def _used(database: Path, pid: str) -> WorkerRunning:
    return WorkerRunning(
        f"Another stepIQ process (pid {pid}) uses {database}. Stop it first, or give this one another STEPIQ_DATA_DIR."
    )


def _pid_in(handle: int) -> str:
    """The process id in a lock file, or `unknown` if its owner has not written it yet."""
    return os.read(handle, 32).decode(errors="replace").strip() or "unknown"


def _lock_file(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = _pid_in(handle)
        os.close(handle)
        raise _used(path.with_suffix(""), pid) from None
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    return handle
