"""Which workers are alive: each holds a lock that ends with its process, however that ends.

On SQLite it is the lock of a file, and there is one worker. On PostgreSQL it is an advisory lock of a session, which the
server also ends when nothing was heard of it for four seconds: a worker that was stopped or cut off counts as gone then.
"""

import asyncio
import fcntl
import os
import secrets
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psycopg
import sqlalchemy as sa

from stepiq.core import logging
from stepiq.core.errors import Conflict
from stepiq.store.database import Database, Session, StoreUnavailable, outages_reported
from stepiq.store.postgres_driver import answering_within

log = logging.get(__name__)

LEASE_SECONDS = 4
"""After so long without a sign of life a worker on PostgreSQL counts as gone."""
_SIGN_SECONDS = 1.0
_RETRY_SECONDS = 0.5
_LOCK_SECONDS = 3 * LEASE_SECONDS
# Any fixed number that tells workers' locks from others; it spells STIQ.
_WORKERS = 0x5354_4951
_LARGEST = 2**31
_PREFIX = "worker-"

# An advisory lock of two numbers shows them as these columns.
_PRESENT = sa.text(
    "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted"
    " AND classid = :workers"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class WorkerRunning(Conflict):
    """Another process uses this database."""

    code = "worker_running"


class Presence(Protocol):
    """A worker's sign that it is there."""

    executor_id: str
    """Names this worker, and no other at any time."""

    async def acquire(self) -> None:
        """Begin to be there.

        Raises:
            WorkerRunning: another process has this database to itself.
            StoreUnavailable: the database cannot be reached.
        """
        ...

    async def release(self) -> None:
        """Be gone; does nothing for one that is not there."""
        ...

    async def absent(self, session: Session, executors: Collection[str]) -> set[str]:
        """Those of the executors that are not there, this one left out."""
        ...


def presence_of(database: Database) -> Presence:
    """The kind that this store has."""
    number = secrets.randbelow(_LARGEST)
    if database.path is None:
        return SessionPresence(database, number)
    return FilePresence(_lock_path(database.path), number)


class FilePresence:
    """The only worker of an SQLite file."""

    def __init__(self, path: Path, number: int) -> None:
        self.executor_id = f"{_PREFIX}{number}"
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


class SessionPresence:
    """One of any number of workers on PostgreSQL."""

    def __init__(self, database: Database, number: int) -> None:
        self.executor_id = f"{_PREFIX}{number}"
        self._database = database
        self._number = number
        self._connection: psycopg.AsyncConnection | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def acquire(self) -> None:
        self._connection = await self._lock()
        self._keeping = asyncio.create_task(self._keep())

    async def release(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
            self._keeping = None
        await self._close()

    async def absent(self, session: Session, executors: Collection[str]) -> set[str]:
        found = await session.execute(_PRESENT, {"workers": _WORKERS})
        present = {f"{_PREFIX}{number}" for number in found.scalars()}
        return set(executors) - present - {self.executor_id}

    async def _lock(self) -> psycopg.AsyncConnection:
        connection = await self._database.connect_alone("worker")
        try:
            with outages_reported(), answering_within(_LOCK_SECONDS):
                await connection.execute(f"SET idle_session_timeout = '{LEASE_SECONDS}s'".encode())
                # A session of this worker that was cut off may still have the lock, but not for long.
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
                    log.info("worker_presence_restored")
                while True:
                    await asyncio.sleep(_SIGN_SECONDS)
                    with answering_within(LEASE_SECONDS):
                        await self._connection.execute("SELECT 1")
            except (psycopg.Error, OSError, StoreUnavailable) as error:
                log.warning("worker_presence_lost", reason=type(error).__name__)
            await self._close()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _lock_path(database: Path) -> Path:
    return Path(f"{database}.lock")


def owner(database: Path) -> str | None:
    """Process id of the process that uses an SQLite file; None if there is none."""
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


def _pid_in(handle: int) -> str:
    """The process id in a lock file. Its owner may not have written it yet."""
    return os.read(handle, 32).decode(errors="replace").strip() or "unknown"


def _lock_file(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = _pid_in(handle)
        os.close(handle)
        database = path.with_suffix("")
        raise WorkerRunning(
            f"Another stepIQ process (pid {pid}) uses {database}. Stop it first, or give this one "
            "another STEPIQ_DATA_DIR."
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    return handle
