import io
import sys
from pathlib import Path

import pytest

from stepiq.accounts import service
from stepiq.accounts.oidc import queries
from stepiq.core.settings.model import Settings
from stepiq.store.database import Database
from tests.cli.conftest import Cli, within
from tests.support.make import Make
from tests.support.stores import SqliteStores

EMAIL = "ada@example.com"


@pytest.fixture(autouse=True)
def account(
    folder: Path, sqlite_stores: SqliteStores, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server with one account."""
    (folder / "data").mkdir(mode=0o700)
    sqlite_stores.create(folder / "data")
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse\n"))
    assert cli("users", "create", EMAIL, "--password-stdin").code == 0


def connect() -> None:
    """Connect two identities to the account."""

    async def insert(database: Database, _: Settings) -> None:
        async with database.reading() as session:
            account = await service.user_named(session, EMAIL)
        for _number in range(2):
            await Make(database).identity(account)

    within(insert)


def count() -> int:
    """The number of identities of the account."""

    async def find(database: Database, _: Settings) -> int:
        async with database.reading() as session:
            account = await service.user_named(session, EMAIL)
            return len(await queries.of_user(session, account.id))

    return within(find)


def test_it_deletes_all_identities_of_an_account(cli: Cli):
    connect()
    before = count()

    done = cli("users", "disconnect", f" {EMAIL.upper()}")

    assert (done.code, done.out) == (0, f"Disconnected {EMAIL}. Identities: 2.\n")
    assert (before, count()) == (2, 0)


def test_without_identities_nothing_changes(cli: Cli):
    assert cli("users", "disconnect", EMAIL).out == f"Disconnected {EMAIL}. Identities: 0.\n"


@pytest.mark.parametrize(
    ("email", "problem"), [("nobody@example.com", "does not exist"), ("ada", "email address")]
)
def test_another_address_is_refused(cli: Cli, email: str, problem: str):
    done = cli("users", "disconnect", email)

    assert done.code != 0
    assert problem in done.err
