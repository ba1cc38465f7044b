"""Dumps and restores a PostgreSQL database with `pg_dump`, `pg_restore` and `psql`.

The programs receive the password through the environment, because all users of the machine can see command lines.
"""

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, BinaryIO

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL

from stepiq.cli.backups.archive import BackupFailed, Reader, RestoreRefused, Writer
from stepiq.cli.backups.survey import Survey, survey
from stepiq.core.environment import environment
from stepiq.store import migrate
from stepiq.store.copying import QUEUE_VERSIONS
from stepiq.store.database import StoreUnavailable
from stepiq.store.refusals import StoreRefused, explaining
from stepiq.store.rights import QUEUE_SCHEMA

_SCHEMAS = ("public", QUEUE_SCHEMA)
_CHUNK_BYTES = 1024 * 1024
_STDERR_LINES = 3
_CONNECT_SECONDS = 10
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
_DROP_QUEUE = f"""
DROP SCHEMA IF EXISTS {QUEUE_SCHEMA} CASCADE;
CREATE SCHEMA {QUEUE_SCHEMA};
"""
_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
_QUEUE_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename <> %s"
_OTHERS = """
SELECT coalesce(nullif(regexp_replace(application_name, '^stepiq( .*)?$', 'stepIQ'), ''), 'a client without a name')
    || coalesce(' at ' || host(client_addr), '') FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
ORDER BY 1
"""


def dump(url: URL, writer: Writer, name: str) -> Survey:
    """Add a consistent dump of the database. Other processes can write during the dump.

    Raises:
        BackupFailed: a program is missing or fails, or the database does not respond.
    """
    program = _program("pg_dump")
    with _connect(url) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        if not _has_table(connection, "alembic_version"):
            raise BackupFailed(f"The {_shown(url)} is empty, so there is nothing to back up.")
        found = survey(
            lambda statement: connection.execute(statement.encode()).fetchall(),
            partial(_has_table, connection),
        )
        # The manifest and the dump use the same snapshot.
        (snapshot,) = connection.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
        command = [program, "--format=custom", "--no-owner", "--no-privileges", *_only_schemas()]
        with _Process([*command, f"--snapshot={snapshot}", f"--dbname={_target(url)}"], url) as run:
            writer.add(name, run.output, is_packed=True)
            run.finish()
    return found


def load(reader: Reader, url: URL, *, may_replace: bool) -> bool:
    """Restore a dump in one transaction. Returns whether the database had data before.

    Raises:
        RestoreRefused: the database is not empty, or other clients are connected to it.
        BackupFailed: a program is missing or fails, or the database does not respond. Nothing was changed.
    """
    pg_restore, psql = _program("pg_restore"), _program("psql")
    is_empty = refuse_in_use(url, may_replace=may_replace)
    # The content of the schemas without the schemas, because `public` already exists.
    script = [pg_restore, "--no-owner", "--no-privileges", *_only_schemas(), "--file=-"]
    # No psqlrc and no password prompts.
    session = [psql, "--no-psqlrc", "--quiet", "--no-password", "--output=/dev/null"]
    session += ["--set=ON_ERROR_STOP=1", f"--dbname={_target(url)}"]
    with _Process(script, url) as source, _Process(session, url) as sink:
        feeding = _feed(reader.copy_database, source)
        with suppress(BrokenPipeError):
            sink.input.write(b"BEGIN;\n")
            # A server that starts during the restore waits for this lock, and then finds a complete database.
            sink.input.write(f"SELECT pg_advisory_xact_lock({migrate.ADVISORY_LOCK});\n".encode())
            sink.input.write((_DROP_TABLES + _DROP_QUEUE).encode())
            while chunk := source.output.read(_CHUNK_BYTES):
                sink.input.write(chunk)
            feeding.join()
            source.finish()
            # Sent last, so that a script that ends early does not commit.
            sink.input.write(b"\nCOMMIT;\n")
        sink.finish()
    return not is_empty


def refuse_in_use(url: URL, *, may_replace: bool) -> bool:
    """Refuse a database that has data, or that other clients use. Returns whether it is empty.

    Raises:
        RestoreRefused: it is not empty and may not be replaced, or other clients are connected to it.
        BackupFailed: it does not respond.
    """
    with _connect(url) as connection:
        others = _others(connection)
        has_data = _has_data(connection)
    if others:
        raise RestoreRefused(
            f"The {_shown(url)} is in use by {', '.join(sorted(set(others)))}. Stop every process of stepIQ and every other"
            " client first."
        )
    if has_data and not may_replace:
        raise _not_empty(_shown(url))
    return not has_data


def _others(connection: psycopg.Connection[Any]) -> list[str]:
    # PostgreSQL ends the sessions of a process that has just stopped a moment later.
    deadline = time.monotonic() + _CLOSING_SECONDS
    while others := [row[0] for row in connection.execute(_OTHERS)]:
        if time.monotonic() >= deadline:
            break
        time.sleep(_LOOK_SECONDS)
    return others


def empty_for_restore(connection: psycopg.Connection[Any], *, may_replace: bool) -> None:
    """Drop all tables except those of the queue, whose rows are deleted, in a transaction that restores others.

    A server that starts at the same time waits until the end of the transaction.

    Raises:
        RestoreRefused: the database is not empty and may not be replaced.
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


def _feed(copy: Callable[[BinaryIO], None], process: "_Process") -> threading.Thread:
    def feed() -> None:
        # A program that ends early reports the reason itself.
        with suppress(BrokenPipeError, ValueError):
            copy(process.input)
        process.end_input()

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    return thread


class _Process:
    """A running PostgreSQL program. The end of the block kills it if it is still running."""

    def __init__(self, command: list[str], url: URL) -> None:
        self._name = command[0].rpartition("/")[2]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed where the process is left
        self._process = subprocess.Popen(  # noqa: S603 - a list of arguments, and a program found by its name
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment(PGPASSWORD=_password(url)),
        )
        assert self._process.stdin is not None  # noqa: S101 - as asked for
        assert self._process.stdout is not None  # noqa: S101
        self.input: BinaryIO = self._process.stdin  # pyright: ignore[reportAttributeAccessIssue]
        self.output: BinaryIO = self._process.stdout  # pyright: ignore[reportAttributeAccessIssue]

    def __enter__(self) -> "_Process":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self.end_input()
        self.output.close()
        self._errors.close()

    def end_input(self) -> None:
        """Close the input of the program."""
        with suppress(BrokenPipeError, ValueError):
            self.input.close()

    def finish(self) -> None:
        """Wait until the program ends.

        Raises:
            BackupFailed: it failed, with its error message.
        """
        self.end_input()
        if self._process.wait() != 0:
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
            output = " ".join(lines[:_STDERR_LINES]) or f"exit code {self._process.returncode}"
            raise BackupFailed(f"{self._name} failed: {output}")


def _only_schemas() -> list[str]:
    return [f"--schema={schema}" for schema in _SCHEMAS]


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BackupFailed(
            f"Backups of PostgreSQL need {name}, which is not installed. Install PostgreSQL's client programs, in the version of"
            " the server or newer (Debian and Ubuntu: apt-get install postgresql-client; macOS: brew install libpq)."
        )
    return found


def _connect(url: URL) -> psycopg.Connection:
    try:
        with explaining(url):
            return psycopg.connect(
                _target(url),
                password=_password(url),
                autocommit=True,
                connect_timeout=_CONNECT_SECONDS,
            )
    except (StoreRefused, StoreUnavailable) as error:
        raise BackupFailed(error.message) from None


def _has_table(connection: psycopg.Connection[Any], name: str) -> bool:
    (found,) = connection.execute("SELECT to_regclass(%s)", [name]).fetchone() or (None,)
    return found is not None


def _target(url: URL) -> str:
    """The URL without its password."""
    bare = URL.create(
        "postgresql",
        username=url.username,
        host=url.host,
        port=url.port,
        database=url.database,
        query={name: value for name, value in url.query.items() if name != "password"},
    )
    return bare.render_as_string(hide_password=False)


def _password(url: URL) -> str | None:
    given = url.password or url.query.get("password")
    return given if isinstance(given, str) else None


def _shown(url: URL) -> str:
    return f"database {url.database}" + (f" at {url.host}" if url.host else "")
