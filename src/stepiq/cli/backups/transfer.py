"""Restores a backup of SQLite into PostgreSQL: copies the rows of all tables in one transaction."""

import tempfile
import time
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError

from stepiq.cli.backups import sqlite
from stepiq.cli.backups.archive import (
    DATABASE,
    BackupFailed,
    BackupUnusable,
    Reader,
    RestoreRefused,
)
from stepiq.queue import tickets
from stepiq.store import migrate
from stepiq.store.connections import engines
from stepiq.store.connections.refusals import connect, explaining
from stepiq.store.copying import QUEUE_VERSIONS, CopiedRows, ValueNotStorable, copy_rows
from stepiq.store.postgres_checks import QUEUE_SCHEMA

_CLOSING_SECONDS = 2
_LOOK_SECONDS = 0.1

# Drops only tables, because objects of extensions must stay.
_DROP_TABLES = """
SET LOCAL client_min_messages = warning;
DO $$
DECLARE each record;
BEGIN
    FOR each IN
        SELECT pg_class.oid::regclass AS name FROM pg_class
        WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
    LOOP
        EXECUTE format('DROP TABLE IF EXISTS %s CASCADE', each.name);
    END LOOP;
END $$;
"""
_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
_QUEUE_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename <> %s"
_OTHERS = """
SELECT coalesce(nullif(regexp_replace(application_name, '^stepiq( .*)?$', 'stepIQ'), ''), 'a client without a name')
    || coalesce(' at ' || host(client_addr), '') FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
ORDER BY 1
"""


def restore(reader: Reader, url: URL, *, may_replace: bool) -> CopiedRows:
    """Copy the rows of a backup of SQLite into PostgreSQL. A backup of an earlier version is upgraded first.

    The temporary folder needs space for the SQLite file.

    Raises:
        RestoreRefused: the database is not empty, or other clients are connected to it.
        BackupUnusable: PostgreSQL cannot store a value of the backup. Nothing was changed.
        BackupFailed: the backup cannot be extracted, or PostgreSQL refuses a statement. Nothing was changed.
        StoreUnavailable, StoreRefused: PostgreSQL does not respond, or needs another configuration.
    """
    _refuse_in_use(url, may_replace=may_replace)
    # Only the owner can read this folder.
    with tempfile.TemporaryDirectory(prefix="stepiq-restore-") as folder:
        copied = Path(folder) / DATABASE
        sqlite.extract(reader, copied)
        source = make_url(f"sqlite:///{copied}")
        migrate.upgrade(source)
        tickets.prepare(source)
        # Not in the transaction, because some of its indexes are built outside of one.
        tickets.prepare(url)
        return _copy(source, url, may_replace=may_replace)


def _copy(source: URL, url: URL, *, may_replace: bool) -> CopiedRows:
    reading, writing = engines.create(source), engines.create(url)
    try:
        with explaining(url), reading.connect() as theirs, writing.begin() as ours:
            driver = cast(psycopg.Connection[Any], ours.connection.driver_connection)
            _empty(driver, may_replace=may_replace)
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


def _refuse_in_use(url: URL, *, may_replace: bool) -> None:
    with connect(url) as connection:
        # A transaction would see the same clients each time.
        connection.autocommit = True
        others = _others(connection)
        has_data = _has_data(connection)
    if others:
        raise RestoreRefused(
            f"The {_shown(url)} is in use by {', '.join(sorted(set(others)))}. Stop every process of stepIQ and every other"
            " client first."
        )
    if has_data and not may_replace:
        raise _not_empty(_shown(url))


def _others(connection: psycopg.Connection[Any]) -> list[str]:
    # PostgreSQL ends the sessions of a process that has just stopped a moment later.
    deadline = time.monotonic() + _CLOSING_SECONDS
    while others := [row[0] for row in connection.execute(_OTHERS)]:
        if time.monotonic() >= deadline:
            break
        time.sleep(_LOOK_SECONDS)
    return others


def _empty(connection: psycopg.Connection[Any], *, may_replace: bool) -> None:
    """Drop all tables except those of the queue, whose rows are deleted, in a transaction that restores others.

    A server that starts at the same time waits until the end of the transaction.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [migrate.ADVISORY_LOCK])
    if not may_replace and _has_data(connection):
        raise _not_empty(f"database {connection.info.dbname}")
    connection.execute(_DROP_TABLES)
    names = [row[0] for row in connection.execute(_QUEUE_TABLES, [QUEUE_SCHEMA, QUEUE_VERSIONS])]
    if names:
        tables = sql.SQL(", ").join(sql.Identifier(QUEUE_SCHEMA, name) for name in names)
        connection.execute(sql.SQL("TRUNCATE {}").format(tables))


def _has_data(connection: psycopg.Connection[Any]) -> bool:
    (tables,) = connection.execute(_TABLES).fetchone() or (0,)
    if tables:
        return True
    # An interrupted restore of a backup of SQLite leaves the tables of the queue without rows.
    if not _has_table(connection, f"{QUEUE_SCHEMA}.workflow_status"):
        return False
    queued = sql.SQL("SELECT 1 FROM {} LIMIT 1").format(
        sql.Identifier(QUEUE_SCHEMA, "workflow_status")
    )
    return connection.execute(queued).fetchone() is not None


def _not_empty(name: str) -> RestoreRefused:
    return RestoreRefused(
        f"The {name} is not empty. Restore into an empty database, or replace its data with --force."
    )


def _has_table(connection: psycopg.Connection[Any], name: str) -> bool:
    (found,) = connection.execute("SELECT to_regclass(%s)", [name]).fetchone() or (None,)
    return found is not None


def _shown(url: URL) -> str:
    return f"database {url.database}" + (f" at {url.host}" if url.host else "")
