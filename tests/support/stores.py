"""Fresh, migrated databases in milliseconds: each is copied from one that was migrated once."""

import shutil
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from stepiq.engine import tickets
from stepiq.store import migrate
from tests.support import postgres


def _migrate(url: str) -> None:
    migrate.upgrade(make_url(url))
    tickets.prepare(make_url(url))


class SqliteStores:
    """Copies of one migrated file."""

    def __init__(self, folder: Path) -> None:
        self._template = folder / "template.db"

    def create(self, folder: Path) -> str:
        """URL of a new database."""
        if not self._template.exists():
            _migrate(f"sqlite:///{self._template}")
        path = folder / "stepiq.db"
        shutil.copyfile(self._template, path)
        return f"sqlite:///{path}"

    def drop(self, url: str) -> None:
        """Files go with their folder."""


class PostgresStores:
    """Databases made from one migrated template."""

    def __init__(self, run_folder: Path) -> None:
        self._server = postgres.shared_url(run_folder)
        self._template = f"template_{uuid4().hex}"
        self._is_migrated = False

    def create(self, folder: Path) -> str:
        """URL of a new database."""
        if not self._is_migrated:
            self._execute("CREATE DATABASE {}", self._template)
            _migrate(f"{self._server}/{self._template}")
            self._is_migrated = True
        name = f"test_{uuid4().hex}"
        self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, self._template)
        return f"{self._server}/{name}"

    def create_empty(self) -> str:
        """URL of a new database with nothing in it."""
        name = f"test_{uuid4().hex}"
        self._execute("CREATE DATABASE {}", name)
        return f"{self._server}/{name}"

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected."""
        self._execute("DROP DATABASE {} WITH (FORCE)", url.rpartition("/")[2])

    def close(self) -> None:
        """Remove the template."""
        if self._is_migrated:
            self._execute("DROP DATABASE {} WITH (FORCE)", self._template)

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(f"{self._server}/postgres", autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*(sql.Identifier(n) for n in names)))  # pyright: ignore[reportArgumentType]
