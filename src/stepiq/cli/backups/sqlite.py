"""Copies an SQLite file that is in use, and replaces it with a copy."""

import os
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stepiq.cli.backups.archive import BackupFailed, Reader, damaged, sync_folder
from stepiq.core import clock
from stepiq.store.copying import table_names
from stepiq.store.migrate import known_revisions

_LOG, _INDEX = "-wal", "-shm"
_WAIT_SECONDS = 30
_SEALED = ("secrets", "totp_secrets")
"""The tables with values that the master key decrypts."""
_FIRST_FREE_OFFSET = 32
"""Where the header of a file has the number of the first page of the list of free pages."""


class _Unusable(Exception):
    """A database is damaged, or not one of stepIQ. The message continues a sentence about it."""


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
            return _checked(ours, target)
    except _Unusable as error:
        raise BackupFailed(
            f"{source} {error}. Check STEPIQ_DATA_DIR and STEPIQ_DATABASE_URL, or restore an earlier backup."
        ) from None
    except sqlite3.Error as error:
        raise BackupFailed(f"{source} cannot be copied: {error}.") from error


def extract(reader: Reader, target: Path) -> None:
    """Write the copy in the archive to a new file that only its owner can read, and check it.

    Raises:
        BackupFailed: the file cannot be written.
        BackupUnusable: the copy is damaged, or not the one that the manifest describes.
    """
    try:
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            reader.copy_database(file)
            file.flush()
            os.fsync(file.fileno())
        with closing(_open(target, "ro")) as extracted:
            found = _checked(extracted, target)
    except _Unusable as error:
        raise damaged(reader.path, f"its database {error}") from None
    except sqlite3.Error as error:
        raise damaged(reader.path, f"its database cannot be read: {error}") from error
    except OSError as error:
        raise BackupFailed(f"{target} cannot be written: {error.strerror or error}.") from error
    if found.schema_revision != reader.manifest.schema_revision:
        raise damaged(reader.path, "its database has another schema than its manifest says")


def put_in_place(reader: Reader, path: Path) -> Path | None:
    """Write the copy next to the database, then rename it. Returns the path of the old database, if it existed.

    At any time, one complete database exists. The caller must ensure that no process uses it.

    Raises:
        BackupFailed: the file cannot be written.
        BackupUnusable: the copy in the archive is damaged.
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


def _checked(connection: sqlite3.Connection, file: Path) -> Survey:
    """Check a copy, and read the facts about it.

    Raises:
        _Unusable: it is damaged, or not one of stepIQ.
    """
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise _Unusable(f"is damaged: {found.rpartition(chr(10))[2]}")
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    if (size := file.stat().st_size) != page_bytes * pages:
        raise _Unusable(f"has {size:,} bytes instead of {page_bytes * pages:,}")
    survey = _survey(connection)
    with file.open("rb") as content:
        if _has_lost_end(content, page_bytes, pages):
            raise _Unusable("is damaged: it ends with zeros")
    return survey


def _has_lost_end(content: BinaryIO, page_bytes: int, pages: int) -> bool:
    """Whether the last page consists of zeros, although it is in use. SQLite does not check the content of long values."""
    content.seek((pages - 1) * page_bytes)
    return not any(content.read()) and pages not in _free_pages(content, page_bytes)


def _free_pages(content: BinaryIO, page_bytes: int) -> Iterator[int]:
    content.seek(_FIRST_FREE_OFFSET)
    (page,) = struct.unpack(">I", content.read(4))
    while page:
        yield page
        content.seek((page - 1) * page_bytes)
        page, count = struct.unpack(">II", content.read(8))
        yield from struct.unpack(f">{count}I", content.read(4 * count))


def _survey(connection: sqlite3.Connection) -> Survey:
    """Read the facts. The database can be one of an earlier version."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    tables = {name for (name,) in names}
    stored = "SELECT version_num FROM alembic_version"
    revision = connection.execute(stored).fetchone() if "alembic_version" in tables else None
    if revision is None:
        raise _Unusable("is empty, or not a database of stepIQ")
    missing = sorted(table_names() - tables)
    if missing and revision[0] == known_revisions()[0]:
        raise _Unusable(f"lacks the table {missing[0]}")
    secrets: Counter[str] = Counter()
    for table in tables.intersection(_SEALED):
        counted = f"SELECT key_id, count(*) FROM {table} GROUP BY key_id"  # noqa: S608 - our own name
        secrets.update(dict(connection.execute(counted).fetchall()))
    return Survey(revision[0], dict(secrets))


def _remove(draft: Path) -> None:
    for suffix in ("", _LOG, _INDEX, "-journal"):
        Path(f"{draft}{suffix}").unlink(missing_ok=True)
