"""Faults of a database that only its operator can fix: a full disk, and a damaged file."""

import errno
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import psycopg
from sqlalchemy.exc import IntegrityError

from stepiq.core.errors import Unavailable

FULL = "The disk of the database is full. Free space on it. Accepted runs then continue."
NEARLY_FULL_BYTES = 1024 * 1024
"""With less space, most transactions fail."""
_CHECK_SECONDS = 1.0
_CHECK_STEPS = 10_000
_PRIMARY = 0xFF
_NO_FILE = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class UnsafeStore(Unavailable):
    """The database could lose committed data, so the server does not start."""

    code = "store_unsafe"


class StoreUnavailable(Unavailable):
    """The database did not respond."""

    code = "store_unavailable"
    was_answered = False
    """Whether the database answered with a failure. Then nothing was saved, for certain."""


class StoreFull(StoreUnavailable):
    """The disk of the database is full, so nothing can be saved."""

    code = "store_full"
    was_answered = True


class StoreDamaged(StoreUnavailable):
    """The file of the database is damaged."""

    code = "store_damaged"
    was_answered = True


def fault(error: BaseException | None, path: Path | None = None) -> StoreUnavailable | None:
    """The fault of the disk or the file that caused a driver's error; None for other errors."""
    if isinstance(error, psycopg.errors.DiskFull):
        return StoreFull(FULL)
    if isinstance(error, OSError) and is_full(error):
        return StoreFull(FULL)
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    primary = code & _PRIMARY
    # A connection that cannot create its files does not report the full disk.
    if primary == sqlite3.SQLITE_FULL or (primary in _NO_FILE and is_nearly_full(path)):
        return StoreFull(FULL)
    if primary in _DAMAGED:
        return _damaged(path, str(error))
    return None


def _damaged(path: Path | None, reason: str) -> StoreDamaged:
    return StoreDamaged(
        f"The database {path or 'file'} is damaged: {reason}. Stop the server and restore a backup with"
        " `stepiq restore --force FILE`, or set STEPIQ_DATA_DIR to another folder."
    )


def is_full(error: OSError) -> bool:
    """Whether an operation on a file failed because the disk or the quota of the user has no space left."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def is_nearly_full(path: Path | None) -> bool:
    """Whether the disk of an SQLite file has less space than transactions need."""
    if path is None or not path.parent.exists():
        return False
    return shutil.disk_usage(path.parent).free < NEARLY_FULL_BYTES


def check_not_emptied(path: Path) -> None:
    """Refuse an SQLite file that has lost its content. SQLite would treat it as new, and delete its log.

    Raises:
        StoreDamaged: it has 0 bytes, although a server has used it.
    """
    if not path.exists() or path.stat().st_size:
        return
    # None of these exists before the file has content.
    later = (
        Path(f"{path}-wal"),
        Path(f"{path}.lock"),
        path.with_name("jwt.key"),
        path.with_name("master.key"),
    )
    if (found := next((each for each in later if each.exists()), None)) is not None:
        raise StoreDamaged(
            f"The database {path} is damaged: it has 0 bytes, although a server has used it ({found.name} exists). Stop the server"
            " and restore a backup with `stepiq restore --force FILE`, or delete the file to start with a new database."
        )


def check_file(path: Path) -> None:
    """Check an SQLite file for damage, for at most a second.

    Raises:
        StoreDamaged: it is damaged.
    """
    check_not_emptied(path)
    end = time.monotonic() + _CHECK_SECONDS
    with closing(sqlite3.connect(path)) as connection:
        connection.set_progress_handler(lambda: time.monotonic() > end, _CHECK_STEPS)
        try:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            if (known := fault(error, path)) is not None:
                raise known from None
            # The check takes longer, or another process uses the file.
            return
    if found != "ok":
        raise _damaged(path, str(found).splitlines()[-1])


def refers_to_nothing(error: IntegrityError) -> bool:
    """Whether a row could not be written because the row that it refers to does not exist."""
    cause = error.__cause__
    if isinstance(cause, sqlite3.IntegrityError):
        return cause.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
    return isinstance(cause, psycopg.errors.ForeignKeyViolation)
