"""The commands of the guide make a database that a server starts on."""

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
from stepiq.store import migrate, safety
from tests.docs.pages import blocks, read, section
from tests.support import postgres


@pytest.fixture
def name() -> Iterator[str]:
    """Of a role and a database that are gone after the test."""
    made = f"guide_{uuid4().hex}"
    yield made
    with psycopg.connect(f"{_server()}/postgres", autocommit=True) as connection:
        for kind in ("DATABASE", "ROLE"):
            connection.execute(sql.SQL(f"DROP {kind} {{}}").format(sql.Identifier(made)))


def _server() -> str:
    return postgres.shared_url(Path(os.environ["STEPIQ_TEST_RUN_FOLDER"]))


def _run_as_superuser(command: str, name: str, server: URL) -> None:
    words = shlex.split(command.removeprefix("sudo -u postgres "))
    arguments = [word.replace("stepiq", name) for word in words[1:] if word != "--pwprompt"]
    where = [f"--host={server.host}", f"--port={server.port}", f"--username={server.username}"]
    subprocess.run([postgres.find(words[0]), *where, *arguments], check=True, timeout=60)


class TestTheGuide:
    def test_its_commands_make_a_database_that_a_server_starts_on(self, name: str):
        guide = blocks(section(read("docs/operations.md"), "## SQLite or PostgreSQL"), "sh")
        commands = [line for line in guide[0].splitlines() if line]

        for command in commands:
            _run_as_superuser(command, name, make_url(_server()))

        url = make_url(_server()).set(username=name, database=name)
        safety.check(url, allow_unsafe=True)
        migrate.upgrade(url)
        tickets.prepare(url)
