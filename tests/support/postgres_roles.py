"""Roles of PostgreSQL that lack rights, on a real server."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from stepiq.queue import tickets
from stepiq.store import migrate, postgres_checks
from stepiq.store.connections.refusals import StoreRefused
from tests.support.stores import PostgresStores


class Scene:
    """An empty database of the superuser, and a role that owns nothing."""

    def __init__(self, superuser: URL) -> None:
        self.superuser = superuser
        self.role = f"role_{uuid4().hex}"
        self.url = superuser.set(username=self.role)
        self.run("CREATE ROLE {} LOGIN", self.role)

    def run(self, statement: str, *names: str) -> None:
        """Run SQL as the superuser, in the database."""
        target = self.superuser.render_as_string(hide_password=False)
        with psycopg.connect(target, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # pyright: ignore[reportArgumentType]

    def refusal(self) -> str:
        """Why a start is refused."""
        with pytest.raises(StoreRefused) as refused:
            postgres_checks.check(self.url, allow_unsafe=True)
        return refused.value.message

    def follow(self, message: str) -> None:
        """Run the SQL that a message tells to run."""
        for line in message.splitlines():
            _, told, statements = line.partition("Run as a superuser, connected to ")
            if told:
                self.run(statements.partition(": ")[2].replace("{", "{{").replace("}", "}}"))

    def start(self) -> None:
        """Do to the database what a start does."""
        postgres_checks.check(self.url, allow_unsafe=True)
        migrate.upgrade(self.url)
        tickets.prepare(self.url)


@pytest.fixture
def scene(postgres_stores: PostgresStores) -> Iterator[Scene]:
    url = postgres_stores.create_empty()
    made = Scene(make_url(url))
    yield made
    postgres_stores.drop(url)
    made.superuser = made.superuser.set(database="postgres")
    made.run("DROP OWNED BY {}", made.role)
    made.run("DROP ROLE {}", made.role)
