"""Copies an SQLite file that is in use, and replaces it with a copy."""

import os
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from stepiq.cli.backups.archive import BackupFailed, Reader, sync_folder
from stepiq.core import clock

_LOG, _INDEX = "-wal", "-shm"
_WAIT_SECONDS = 30
_SEALED = ("secrets", "totp_secrets")
"""The tables with values that the master key decrypts."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Facts about a database that restoring it depends on."""

    schema_revision: str
    secrets: dict[str, int]
    """Number of stored secrets that each master key decrypts, by fingerprint."""


def copy(source: Path, target: Path) -> Survey:
    """Make a consistent copy of the database. Other processes can write during the copy without waiting.

    Raises:
        BackupFailed: the database does not exist, or is damaged.
    """
    if not source.exists():
        raise BackupFailed(
            f"Database {source} does not exist, so there is nothing to back up. Check STEPIQ_DATA_DIR."
        )
    try:
        # Not read-only, because that mode cannot create the index of a write-ahead log that remains after a crash.
        with closing(_open(source, "rw")) as theirs, closing(_open(target, "rwc")) as ours:
            # All pages in one step, and so in one read transaction. A copy in several steps restarts at each write.
            theirs.backup(ours)
            # A single file without a separate log.
            ours.execute("PRAGMA journal_mode=DELETE")
            _check(ours, source)
            return _survey(ours, source)
    except sqlite3.Error as error:
        raise BackupFailed(f"{source} cannot be copied: {error}.") from error


def extract(reader: Reader, target: Path) -> None:
    """Write the copy in the archive to a new file that only its owner can read, and check it.

    Raises:
        BackupFailed: the file cannot be written, or the copy is damaged.
    """
    try:
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            reader.copy_database(file)
            file.flush()
            os.fsync(file.fileno())
        with closing(_open(target, "ro")) as extracted:
            _check(extracted, target)
    except sqlite3.Error as error:
        raise BackupFailed(f"{target} cannot be restored: {error}.") from error
    except OSError as error:
        raise BackupFailed(f"{target} cannot be written: {error.strerror or error}.") from error


def put_in_place(reader: Reader, path: Path) -> Path | None:
    """Write the copy next to the database, then rename it. Returns the path of the old database, if it existed.

    At any time, one complete database exists. The caller must ensure that no process uses it.

    Raises:
        BackupFailed: the file cannot be written, or the copy in the archive is damaged.
    """
    draft = path.with_name(f".{path.name}.restoring")
    _remove(draft)
    try:
        extract(reader, draft)
        kept = _set_aside(path) if path.exists() else None
        # SQLite would apply the log of the old database to the new one.
        for suffix in (_LOG, _INDEX):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        draft.replace(path)
        sync_folder(path.parent)
    except sqlite3.Error as error:
        raise BackupFailed(f"{path} cannot be restored: {error}.") from error
    except OSError as error:
        raise BackupFailed(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        _remove(draft)
    return kept


def _set_aside(path: Path) -> Path:
    """Checkpoint the log of the current database, and give the database a second name."""
    moment = clock.now().strftime("%Y%m%dT%H%M%S%f")
    kept = path.with_name(f"{path.name}.before-restore-{moment}")
    # A damaged database is kept unchanged, with its log.
    with suppress(sqlite3.Error), closing(_open(path, "rw")) as old:
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    log = Path(f"{path}{_LOG}")
    if log.exists() and log.stat().st_size:
        os.link(log, f"{kept}{_LOG}")
    os.link(path, kept)
    sync_folder(path.parent)
    return kept


def _open(path: Path, mode: str) -> sqlite3.Connection:
    # A URL escapes special characters of the path.
    address = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(address, uri=True, timeout=_WAIT_SECONDS)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise BackupFailed(f"{path} is damaged: {found}")


def _survey(connection: sqlite3.Connection, path: Path) -> Survey:
    """Read the facts. The database can be one of an earlier version."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    tables = {name for (name,) in names}
    if "alembic_version" not in tables:
        raise BackupFailed(
            f"{path} is not a database of stepIQ, or is empty. Check STEPIQ_DATA_DIR and STEPIQ_DATABASE_URL."
        )
    (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    secrets: Counter[str] = Counter()
    for table in tables.intersection(_SEALED):
        counted = f"SELECT key_id, count(*) FROM {table} GROUP BY key_id"  # noqa: S608 - our own name
        secrets.update(dict(connection.execute(counted).fetchall()))
    return Survey(revision, dict(secrets))


def _remove(draft: Path) -> None:
    for suffix in ("", _LOG, _INDEX, "-journal"):
        Path(f"{draft}{suffix}").unlink(missing_ok=True)
