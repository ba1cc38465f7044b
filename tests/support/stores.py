"""Creates migrated databases in milliseconds, as copies of one that one process of the run has migrated."""

import os
import shutil
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from stepiq.queue import tickets
from stepiq.store import migrate
from tests.support import postgres, run_folders


def on_sqlite(*values: Any) -> list[Any]:
    """Values of `parametrize` with which a test of both stores runs on PostgreSQL only with STEPIQ_TEST_STORES=both."""
    if os.environ.get("STEPIQ_TEST_STORES") == "both":
        return list(values)
    return [pytest.param(value, marks=pytest.mark.one_store) for value in values]


def _migrate(url: str) -> None:
    migrate.upgrade(make_url(url))
    tickets.prepare(make_url(url))


class SqliteStores:
    """Copies of one migrated file."""

    @cached_property
    def _template(self) -> Path:
        def fill(folder: Path) -> None:
            _migrate(f"sqlite:///{folder}/template.db")

        return run_folders.shared("sqlite_template", fill) / "template.db"

    def create(self, folder: Path, *, is_new: bool = False) -> str:
        """URL of a new database."""
        path = folder / "stepiq.db"
        shutil.copyfile(self._template, path)
        return f"sqlite:///{path}"

    def drop(self, url: str) -> None:
        """Do nothing: the file is removed with its folder."""


class PostgresStores:
    """Databases created from one migrated template, and reused by later tests.

    Emptying a database is much faster than creating one. A database is dropped instead if a test has changed its
    schema, settings or statistics, if it had many rows, or after `_USES` uses, because deleted rows still use space.
    """

    def __init__(self, run_folder: Path) -> None:
        self._run_folder = run_folder
        self._server = postgres.shared_url(run_folder)
        self._template = ""
        self._shape = ""
        self._free: list[str] = []
        self._uses: Counter[str] = Counter()

    def create(self, folder: Path, *, is_new: bool = False) -> str:
        """URL of a migrated database without rows. With `is_new`, no test has used it before."""
        if self._free and not is_new:
            return self._free.pop()
        if not self._shape:
            template = run_folders.shared("postgres_template", self._make_template)
            self._template = (template / "name").read_text()
            self._shape = (template / "shape").read_text()
        name = postgres.database_name(self._run_folder, "test")
        self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, self._template)
        return f"{self._server}/{name}"

    def _make_template(self, folder: Path) -> None:
        name = postgres.database_name(self._run_folder, "template")
        self._execute("CREATE DATABASE {}", name)
        url = f"{self._server}/{name}"
        _migrate(url)
        with psycopg.connect(url) as connection:
            (folder / "shape").write_text(_shape(connection))
        (folder / "name").write_text(name)

    def create_empty(self) -> str:
        """URL of a new, empty database."""
        name = postgres.database_name(self._run_folder, "test")
        self._execute("CREATE DATABASE {}", name)
        return f"{self._server}/{name}"

    def drop(self, url: str) -> None:
        """Close a database's connections, and empty it for the next test, or drop it."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_DISCONNECT)
            # Without a template, no database can be reused.
            is_as_new = _shape(connection) == self._shape != "" and _empty(connection)
        self._uses[url] += 1
        if is_as_new and self._uses[url] < _USES:
            self._free.append(url)
        else:
            self._drop(url.rpartition("/")[2])

    def close(self) -> None:
        """Drop all unused databases. Other processes may still need the template."""
        for url in self._free:
            self._drop(url.rpartition("/")[2])

    def _drop(self, name: str) -> None:
        self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(f"{self._server}/postgres", autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*(sql.Identifier(n) for n in names)))  # pyright: ignore[reportArgumentType]


_USES = 50
_MANY = 2_000
"""Number of deleted rows from which a database is too slow to reuse."""
_VERSIONS = frozenset({"alembic_version", "dbos_migrations"})
_DISCONNECT = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
# A copy has the same object ids as the template. Objects created later have higher ids.
_SHAPE = """
SELECT concat_ws(
    ' ',
    (SELECT string_agg(concat_ws('.', oid, relname, relnatts, relchecks, reltuples), ',' ORDER BY oid)
     FROM pg_class WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'dbos'))),
    (SELECT concat_ws('.', count(*), max(oid)) FROM pg_namespace WHERE nspname NOT LIKE 'pg_%'),
    (SELECT concat_ws('.', count(*), max(oid)) FROM pg_constraint),
    (SELECT concat_ws('.', count(*), max(oid)) FROM pg_trigger),
    (SELECT concat_ws('.', count(*), max(oid)) FROM pg_proc),
    (SELECT concat_ws('.', count(*), max(oid)) FROM pg_extension),
    (SELECT count(*) FROM pg_depend WHERE deptype = 'e'),
    (SELECT string_agg(version_num, ',') FROM public.alembic_version),
    (SELECT string_agg(version::text, ',') FROM dbos.dbos_migrations),
    (SELECT count(*) FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase
     WHERE datname = current_database())
)
"""


def _shape(connection: psycopg.Connection) -> str:
    """A fingerprint of the schema, settings and statistics. Empty if the database is not migrated."""
    try:
        found = connection.execute(_SHAPE).fetchone()
    except psycopg.errors.UndefinedTable:
        return ""
    assert found is not None
    return found[0]


def _empty(connection: psycopg.Connection) -> bool:
    """Delete all rows except the schema versions. Returns False if there were many."""
    tables = connection.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'dbos')"
    ).fetchall()
    deletes = [
        sql.SQL("DELETE FROM {}").format(sql.Identifier(*table))
        for table in tables
        if table[1] not in _VERSIONS
    ]
    # With foreign keys disabled, so that the order of the tables does not matter. One round trip for all tables.
    together = sql.SQL("; ").join([sql.SQL("SET session_replication_role = replica"), *deletes])
    cursor = connection.execute(together)
    deleted = max(cursor.rowcount, 0)
    while cursor.nextset():
        deleted += max(cursor.rowcount, 0)
    return deleted < _MANY
