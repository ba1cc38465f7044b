"""Dumps and restores a PostgreSQL database with `pg_dump`, `pg_restore` and `psql`.

The programs receive the password through the environment, because all users of the machine can see command lines.
"""

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import BinaryIO

import psycopg
from sqlalchemy.engine import URL

from stepiq.cli.backups.archive import BackupFailed, Reader, RestoreRefused, Writer
from stepiq.cli.backups.survey import Survey, survey
from stepiq.core.environment import environment
from stepiq.store import migrate
from stepiq.store.database import StoreUnavailable
from stepiq.store.refusals import StoreRefused, explaining

_SCHEMAS = ("public", "dbos")
_CHUNK_BYTES = 1024 * 1024
_STDERR_LINES = 3
_CONNECT_SECONDS = 10

# Drops only tables, because objects of extensions must stay.
_EMPTY = """
SET client_min_messages = warning;
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
DROP SCHEMA IF EXISTS dbos CASCADE;
CREATE SCHEMA dbos;
"""
_TABLES = """
SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'dbos')
"""
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
    is_empty = _refuse_in_use(url, may_replace=may_replace)
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
            sink.input.write(_EMPTY.encode())
            while chunk := source.output.read(_CHUNK_BYTES):
                sink.input.write(chunk)
            feeding.join()
            source.finish()
            # Sent last, so that a script that ends early does not commit.
            sink.input.write(b"\nCOMMIT;\n")
        sink.finish()
    return not is_empty


def _refuse_in_use(url: URL, *, may_replace: bool) -> bool:
    with _connect(url) as connection:
        others = [row[0] for row in connection.execute(_OTHERS)]
        (tables,) = connection.execute(_TABLES).fetchone() or (0,)
    if others:
        raise RestoreRefused(
            f"The {_shown(url)} is in use by {', '.join(sorted(set(others)))}. Stop every process of stepIQ and every other"
            " client first."
        )
    if tables and not may_replace:
        raise RestoreRefused(
            f"The {_shown(url)} is not empty. Restore into an empty database, or replace its data with --force."
        )
    return not tables


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


def _has_table(connection: psycopg.Connection, name: str) -> bool:
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
