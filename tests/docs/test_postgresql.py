"""The commands of the guides create a database that a server starts on, and back it up."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from stepiq.queue import tickets
from stepiq.store import migrate, postgres_checks
from tests.docs.pages import blocks, read, section
from tests.support import postgres

_ROWS = "SELECT version_num FROM alembic_version UNION ALL SELECT workflow_uuid FROM dbos.workflow_status"
_ADD_TICKET = (
    "INSERT INTO dbos.workflow_status (workflow_uuid, status) VALUES ('ticket', 'ENQUEUED')"
)


@pytest.fixture
def name() -> Iterator[str]:
    """Name of a role and a database, which are dropped after the test."""
    made = f"guide_{uuid4().hex}"
    yield made
    databases, role = (made, f"{made}_before_restore"), sql.Identifier(made)
    with psycopg.connect(f"{_server()}/postgres", autocommit=True) as connection:
        for each in databases:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(each)))
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(role))


@pytest.fixture
def url(name: str) -> URL:
    """URL of a database that the commands of the guide have created and stepIQ has migrated."""
    guide = blocks(section(read("docs/operations.md"), "## SQLite or PostgreSQL"), "sh")
    _run_as_superuser(guide[0], name)
    url = make_url(_server()).set(username=name, database=name)
    migrate.upgrade(url)
    tickets.prepare(url)
    return url


def _server() -> str:
    return postgres.shared_url(Path(os.environ["STEPIQ_TEST_RUN_FOLDER"]))


def _run_as_superuser(commands: str, name: str, folder: Path | None = None) -> None:
    server = make_url(_server())
    where = [f"--host={server.host}", f"--port={server.port}", f"--username={server.username}"]
    for command in filter(None, commands.splitlines()):
        words = shlex.split(command.removeprefix("sudo -u postgres "))
        arguments = [word.replace("stepiq", name) for word in words[1:] if word != "--pwprompt"]
        subprocess.run(
            [postgres.find(words[0]), *where, *arguments], cwd=folder, check=True, timeout=60
        )


def _rows(url: URL) -> list[str]:
    dsn = url.render_as_string(hide_password=False)
    with psycopg.connect(dsn) as connection:
        return [row[0] for row in connection.execute(_ROWS)]


class TestTheGuide:
    def test_its_commands_create_a_database_that_a_server_starts_on(self, url: URL):
        postgres_checks.check(url, allow_unsafe=True)

    def test_a_dump_is_restored_with_all_rows_and_the_rights_of_the_role(
        self, url: URL, name: str, tmp_path: Path
    ):
        dump, restore = blocks(section(read("docs/backups.md"), "## PostgreSQL"), "sh")
        with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
            connection.execute(_ADD_TICKET)
        before = _rows(url)

        _run_as_superuser(dump, name, tmp_path)
        _run_as_superuser(restore, name, tmp_path)

        assert _rows(url) == before == [migrate.known_revisions()[0], "ticket"]
        postgres_checks.check(url, allow_unsafe=True)
        migrate.upgrade(url)

    def test_a_database_in_use_is_not_replaced(self, url: URL, name: str, tmp_path: Path):
        dump, restore = blocks(section(read("docs/backups.md"), "## PostgreSQL"), "sh")
        _run_as_superuser(dump, name, tmp_path)

        with (
            psycopg.connect(url.render_as_string(hide_password=False)),
            pytest.raises(subprocess.CalledProcessError),
        ):
            _run_as_superuser(restore, name, tmp_path)

        assert _rows(url) == [migrate.known_revisions()[0]]
