"""Restores a backup of SQLite into PostgreSQL: copies the rows of all tables in one transaction."""

import tempfile
from pathlib import Path
from typing import Any, cast

import psycopg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError

from stepiq.cli.backups import postgres, sqlite
from stepiq.cli.backups.archive import BackupFailed, BackupUnusable, Reader
from stepiq.queue import tickets
from stepiq.store import migrate
from stepiq.store.copying import CopiedRows, ValueNotStorable, copy_rows
from stepiq.store.refusals import explaining


def restore(reader: Reader, url: URL, *, may_replace: bool) -> CopiedRows:
    """Copy the rows of a backup of SQLite into PostgreSQL. A backup of an earlier version is upgraded first.

    The temporary folder needs space for the SQLite file.

    Raises:
        RestoreRefused: the database is not empty, or other clients are connected to it.
        BackupUnusable: PostgreSQL cannot store a value of the backup. Nothing was changed.
        BackupFailed: the backup cannot be extracted, or PostgreSQL refuses a statement. Nothing was changed.
        StoreUnavailable, StoreRefused: PostgreSQL does not respond, or needs another configuration.
    """
    postgres.refuse_in_use(url, may_replace=may_replace)
    # Only the owner can read this folder.
    with tempfile.TemporaryDirectory(prefix="stepiq-restore-") as folder:
        copied = Path(folder) / reader.manifest.store.member
        sqlite.extract(reader, copied)
        source = make_url(f"sqlite:///{copied}")
        migrate.upgrade(source)
        tickets.prepare(source)
        # Not in the transaction, because some of its indexes are built outside of one.
        tickets.prepare(url)
        return _copy(source, url, may_replace=may_replace)


def _copy(source: URL, url: URL, *, may_replace: bool) -> CopiedRows:
    reading, writing = migrate.sync_engine(source), migrate.sync_engine(url)
    try:
        with explaining(url), reading.connect() as theirs, writing.begin() as ours:
            driver = cast(psycopg.Connection[Any], ours.connection.driver_connection)
            postgres.empty_for_restore(driver, may_replace=may_replace)
            migrate.upgrade_within(ours)
            return copy_rows(theirs, ours, driver)
    except ValueNotStorable as error:
        raise BackupUnusable(
            f"PostgreSQL cannot store a value of the table {error.table}: {error.reason}. Nothing was changed."
        ) from error
    except DBAPIError as error:
        reason = str(error.orig).partition("\n")[0].rstrip(".")
        raise BackupFailed(
            f"PostgreSQL refused a statement: {reason}. Nothing was changed."
        ) from error
    finally:
        reading.dispose()
        writing.dispose()
