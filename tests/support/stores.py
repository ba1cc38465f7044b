"""Fresh, migrated databases in milliseconds: each is copied from one that was migrated once."""

import shutil
from collections import Counter
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from stepiq.queue import tickets
from stepiq.store import migrate
from tests.support import postgres


def _migrate(url: str) -> None:
    migrate.upgrade(make_url(url))
    tickets.prepare(make_url(url))


class SqliteStores:
    """Copies of one migrated file."""

    def __init__(self, folder: Path) -> None:
        self._template = folder / "template.db"

    def create(self, folder: Path, *, is_new: bool = False) -> str:
        """URL of a new database."""
        if not self._template.exists():
            _migrate(f"sqlite:///{self._template}")
        path = folder / "stepiq.db"
        shutil.copyfile(self._template, path)
        return f"sqlite:///{path}"

    def drop(self, url: str) -> None:
        """Files go with their folder."""


class PostgresStores:
    """Databases made from one migrated template, each used by one test after the other.

    To empty a database takes a fraction of the time that a new one does. A database is dropped instead if a test has changed
    its schema, settings or statistics, if it held many rows, and after some uses: deleted rows still take space.
    """

    def __init__(self, run_folder: Path) -> None:
        self._run_folder = run_folder
        self._server = postgres.shared_url(run_folder)
        self._template = postgres.database_name(run_folder, "template")
        self._shape = ""
        self._free: list[str] = []
        self._uses: Counter[str] = Counter()

    def create(self, folder: Path, *, is_new: bool = False) -> str:
        """URL of a migrated database without rows; `is_new`: no test has used it before."""
        if self._free and not is_new:
            return self._free.pop()
        if not self._shape:
            self._execute("CREATE DATABASE {}", self._template)
            url = f"{self._server}/{self._template}"
            _migrate(url)
            with psycopg.connect(url) as connection:
                self._shape = _shape(connection)
        name = postgres.database_name(self._run_folder, "test")
        self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, self._template)
        return f"{self._server}/{name}"

    def create_empty(self) -> str:
        """URL of a new database with nothing in it."""
        name = postgres.database_name(self._run_folder, "test")
        self._execute("CREATE DATABASE {}", name)
        return f"{self._server}/{name}"

    def drop(self, url: str) -> None:
        """End a database's connections, and keep it for the next test if it is as good as new without its rows."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_DISCONNECT)
            # Before the template is made, no database is as good as new.
            is_as_new = _shape(connection) == self._shape != "" and _empty(connection)
        self._uses[url] += 1
        if is_as_new and self._uses[url] < _USES:
            self._free.append(url)
        else:
            self._drop(url.rpartition("/")[2])

    def close(self) -> None:
        """Remove all that was made."""
        for url in self._free:
            self._drop(url.rpartition("/")[2])
        if self._shape:
            self._drop(self._template)

    def _drop(self, name: str) -> None:
        self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(f"{self._server}/postgres", autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*(sql.Identifier(n) for n in names)))  # pyright: ignore[reportArgumentType]


_USES = 50
_MANY = 2_000
"""Rows that slow down the tests after this one when they are deleted."""
_VERSIONS = frozenset({"alembic_version", "dbos_migrations"})
_DISCONNECT = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
# A copy has the template's object ids, and whatever is made later has higher ones.
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
    """What tells a database with another schema, or other settings, from the template."""
    try:
        found = connection.execute(_SHAPE).fetchone()
    except psycopg.errors.UndefinedTable:
        return ""
    assert found is not None
    return found[0]


def _empty(connection: psycopg.Connection) -> bool:
    """Delete all rows but the versions of the schemas; False if there were many."""
    tables = connection.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'dbos')"
    ).fetchall()
    deletes = [
        sql.SQL("DELETE FROM {}").format(sql.Identifier(*table))
        for table in tables
        if table[1] not in _VERSIONS
    ]
    # Without foreign keys, which would order the tables. One round trip for all of them.
    together = sql.SQL("; ").join([sql.SQL("SET session_replication_role = replica"), *deletes])
    cursor = connection.execute(together)
    deleted = max(cursor.rowcount, 0)
    while cursor.nextset():
        deleted += max(cursor.rowcount, 0)
    return deleted < _MANY
