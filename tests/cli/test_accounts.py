import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy.engine import make_url

from stepiq.accounts import service
from stepiq.accounts.devices import SessionOrigin
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.signing_in.registration import setup_token
from stepiq.accounts.two_factor import queries as two_factor
from stepiq.cli.command_line import ServerCommand
from stepiq.cli.main import app
from stepiq.core.settings.model import Settings
from stepiq.store import migrate
from stepiq.store.database import Database
from tests.cli.conftest import Cli, within
from tests.support.mail import kept
from tests.support.make import Make
from tests.support.stores import PostgresStores, SqliteStores


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch):
    """Standard input that holds a text and is no terminal."""

    def type_in(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))

    type_in("")
    return type_in


@pytest.fixture(autouse=True)
def store(folder: Path, sqlite_stores: SqliteStores) -> None:
    """The empty database of a server that has no account yet."""
    (folder / "data").mkdir(mode=0o700)
    sqlite_stores.create(folder / "data")


def can_log_in() -> bool:
    """Whether ada@example.com may log in."""

    async def find(database: Database, _: Settings) -> bool:
        async with database.reading() as session:
            return await account_queries.account_by_email(session, "ada@example.com") is not None

    return within(find)


_ADA = "ada@example.com"
_WORKSPACE = "01890000-0000-7000-8000-000000000000"
COMMANDS: Sequence[tuple[str, ...]] = [
    ("users", "create", _ADA, "--password-stdin"),
    ("users", "invite", _ADA),
    ("users", "list"),
    ("users", "plan", _ADA, "pro"),
    ("users", "set-plan", _ADA, "pro"),
    ("users", "disable", _ADA),
    ("users", "enable", _ADA),
    ("users", "reset-2fa", _ADA),
    ("users", "sessions", _ADA),
    ("users", "sessions", _ADA, "--end"),
    ("users", "disconnect", _ADA),
    ("users", "delete", _ADA, "--data", "keep", "--yes"),
    ("users", "reset", _ADA),
    ("users", "admin", _ADA),
    ("users", "verify", _ADA),
    ("members", "list"),
    ("members", "invite", _ADA),
    ("members", "set-role", _ADA, "viewer"),
    ("members", "remove", _ADA),
    ("workspaces", "list"),
    ("workspaces", "plan", _WORKSPACE, "pro"),
    ("workspaces", "limits", _WORKSPACE),
    ("audit", "list"),
    ("audit", "export"),
    ("audit", "verify"),
    ("keys", "rotate", "--generate"),
    ("setup-token",),
]
OTHERS = frozenset(
    {
        *("serve", "worker", "migrate", "restore", "demo"),  # create a database
        *("backup", "doctor", "run", "test", "mail test", "dev fake-provider"),
    }
)
"""Commands of the server that do not look at its accounts."""


class TestStore:
    """Commands that look at accounts never create a database."""

    def test_each_command_of_the_server_is_tried(self):
        commands: Any = typer.main.get_command(app)
        leaves = {
            f"{name} {inner}".strip(): command
            for name, group in commands.commands.items()
            for inner, command in getattr(group, "commands", {"": group}).items()
        }
        of_server = {name for name, command in leaves.items() if isinstance(command, ServerCommand)}

        tried = {" ".join(each[:2]) for each in COMMANDS}

        assert tried | OTHERS == of_server
        assert not tried & OTHERS

    def test_a_folder_without_a_database_stays_as_it_is(
        self, cli: Cli, typed, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_DATA_DIR", "wrong")

        for command in COMMANDS:
            typed("correct horse\n")

            said = cli(*command)

            assert said.code == 1, command
            assert f"Database {folder}/wrong/stepiq.db does not exist." in said.err, command
            assert "STEPIQ_DATA_DIR" in said.err
            assert "STEPIQ_DATABASE_URL" in said.err
            assert not (folder / "wrong").exists(), command

    def test_an_empty_postgresql_database_stays_empty(
        self, cli: Cli, typed, postgres_stores: PostgresStores, monkeypatch: pytest.MonkeyPatch
    ):
        url = make_url(postgres_stores.create_empty())
        given = url.set(password="geheim").render_as_string(hide_password=False)
        monkeypatch.setenv("STEPIQ_DATABASE_URL", given)
        try:
            for command in COMMANDS:
                typed("correct horse\n")

                said = cli(*command)

                assert said.code == 1, command
                assert f"{url.database} is empty." in said.err, command
                assert "geheim" not in said.err
                assert migrate.current_revision(url) is None, command
        finally:
            postgres_stores.drop(str(url))

    def test_migrate_creates_one(self, cli: Cli, typed, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("STEPIQ_DATA_DIR", "new")
        typed("correct horse\n")
        cli("migrate")

        assert cli("users", "create", "ada@example.com", "--password-stdin").code == 0


class TestCreate:
    def test_the_first_account_is_administrator(self, cli: Cli, typed):
        typed("correct horse\n")

        said = cli("users", "create", "Ada@Example.com", "--password-stdin")

        assert said.code == 0
        assert said.out == (
            "Created ada@example.com with plan enterprise, administrator: it is the first account of this server.\n"
        )
        assert said.err == ""

    def test_a_later_account_gets_the_default_plan(self, cli: Cli, typed):
        typed("correct horse\n")
        cli("users", "create", "ada@example.com", "--password-stdin")
        typed("correct horse\n")

        said = cli("users", "create", "Bob@Example.com", "--password-stdin")

        assert (said.code, said.out) == (0, "Created bob@example.com with plan unlimited.\n")

    def test_its_address_counts_as_verified_where_others_must_verify_theirs(
        self, cli: Cli, typed, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_SMTP_URL", "smtp://127.0.0.1:1")
        monkeypatch.setenv("STEPIQ_REGISTRATION", "open")
        typed("correct horse\n")
        cli("users", "create", "ada@example.com", "--password-stdin")
        typed("correct horse\n")

        cli("users", "create", "bob@example.com", "--password-stdin")

        [listed] = json.loads(cli("users", "list", "bob", "--json").out)["data"]
        assert listed["email_verified"] is True

    def test_an_administrator_gets_the_first_accounts_plan(self, cli: Cli, typed):
        typed("correct horse\n")

        said = cli("users", "create", "ada@example.com", "--admin", "--password-stdin")

        assert said.out == "Created ada@example.com with plan enterprise, administrator.\n"

    def test_a_plan_may_be_named(self, cli: Cli, typed):
        typed("correct horse\n")

        said = cli("users", "create", "a@example.com", "--plan", "pro", "--password-stdin")

        assert said.out.startswith("Created a@example.com with plan pro, administrator")

    def test_the_password_is_asked_for_on_a_terminal(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("typer.prompt", lambda *_, **__: "correct horse")

        assert cli("users", "create", "ada@example.com").code == 0

    def test_without_a_terminal_the_way_is_told(self, cli: Cli, typed):
        said = cli("users", "create", "ada@example.com")

        assert said.code == 2
        assert "--password-stdin" in said.err

    @pytest.mark.parametrize(
        ("email", "password", "expected"),
        [
            ("nobody", "correct horse", "`email`: Must be an email address, such as"),
            ("a@b.example", "short", "`password`: Must have at least 8 characters."),
        ],
    )
    def test_what_cannot_be_used_is_named(self, cli: Cli, typed, email, password, expected):
        typed(f"{password}\n")

        said = cli("users", "create", email, "--password-stdin")

        assert said.code == 2
        assert expected in said.err
        assert password not in said.err

    def test_a_taken_address_is_refused(self, cli: Cli, typed):
        typed("correct horse\n")
        cli("users", "create", "ada@example.com", "--password-stdin")
        typed("correct horse\n")

        said = cli("users", "create", "ada@example.com", "--password-stdin")

        assert said.code == 1
        assert said.err == (
            "Error: An account with this email address already exists. Use another address. To change the plan of an account, use"
            " `stepiq users plan`.\n"
        )

    def test_an_unknown_plan_is_refused_before_anything_is_asked(self, cli: Cli, typed):
        said = cli("users", "create", "ada@example.com", "--plan", "gold")

        assert said.code == 1
        assert "Plan `gold` does not exist" in said.err


class TestInvite:
    def test_the_token_is_shown_and_lets_one_account_in(self, cli: Cli, typed):
        typed("correct horse\n")
        cli("users", "create", "ada@example.com", "--password-stdin")

        said = cli("users", "invite", " Bob@example.com")

        assert said.code == 0
        assert len(said.out.strip()) > 40
        assert "bob@example.com can register" in said.err
        assert "was not emailed" in said.err

    def test_a_server_that_is_away_is_told_and_the_token_shown(self, cli: Cli, typed, monkeypatch):
        typed("correct horse\n")
        cli("users", "create", "ada@example.com", "--password-stdin")
        monkeypatch.setenv("STEPIQ_SMTP_URL", "smtp://127.0.0.1:1")

        said = cli("users", "invite", "bob@example.com")

        assert said.code == 0
        assert len(said.out.strip()) > 40
        assert "127.0.0.1:1 cannot be reached" in said.err

    def test_before_the_first_account_it_is_refused(self, cli: Cli):
        said = cli("users", "invite", "bob@example.com")

        assert said.code == 1
        assert "no account yet" in said.err

    def test_who_has_an_account_is_not_invited(self, cli: Cli, typed):
        typed("correct horse\n")
        cli("users", "create", "ada@example.com", "--password-stdin")

        said = cli("users", "invite", "ada@example.com")

        assert said.code == 1
        assert "already exists. Use another address." in said.err

    def test_what_is_no_address_is_refused(self, cli: Cli):
        said = cli("users", "invite", "nobody")

        assert said.code == 2
        assert said.err.startswith("Error: nobody: Must be an email address, such as")


class TestSetPlan:
    def test_the_account_is_on_that_plan_from_then_on(self, cli: Cli, typed):
        typed("correct horse\n")
        cli("users", "create", "ada@example.com", "--password-stdin")

        said = cli("users", "set-plan", " ADA@example.com", "pro")

        assert (said.code, said.out) == (0, "ada@example.com now has plan pro.\n")

    def test_an_unknown_account_is_refused(self, cli: Cli, folder):
        said = cli("users", "set-plan", "ada@example.com", "pro")

        assert said.code == 1
        assert "Account ada@example.com does not exist" in said.err

    def test_an_unknown_plan_is_refused(self, cli: Cli):
        assert cli("users", "set-plan", "ada@example.com", "gold").code == 1


class TestDisable:
    def test_the_account_cannot_log_in_until_it_is_enabled(self, cli: Cli, typed):
        typed("correct horse\n")
        cli("users", "create", "ada@example.com", "--password-stdin")

        disabled = cli("users", "disable", " ADA@example.com")
        while_disabled = can_log_in()
        enabled = cli("users", "enable", "ada@example.com")

        assert (disabled.code, enabled.code) == (0, 0)
        assert disabled.out == ("Disabled ada@example.com. Sessions ended: 0. Runs cancelled: 0.\n")
        assert enabled.out == "Enabled ada@example.com.\n"
        assert (while_disabled, can_log_in()) == (False, True)

    def test_its_plan_can_be_changed(self, cli: Cli, typed):
        typed("correct horse\n")
        cli("users", "create", "ada@example.com", "--password-stdin")
        cli("users", "disable", "ada@example.com")

        said = cli("users", "set-plan", "ada@example.com", "pro")

        assert (said.code, said.out) == (0, "ada@example.com now has plan pro.\n")
        assert not can_log_in()

    @pytest.mark.parametrize("command", [("disable",), ("enable",), ("set-plan", "pro")])
    def test_what_is_no_address_is_refused(self, cli: Cli, command):
        name, *rest = command

        said = cli("users", name, "nobody", *rest)

        assert said.code == 2
        assert said.err.startswith("Error: nobody: Must be an email address, such as")

    @pytest.mark.parametrize("command", ["disable", "enable"])
    def test_an_unknown_account_is_refused(self, cli: Cli, folder, command):
        said = cli("users", command, "ada@example.com")

        assert said.code == 1
        assert "Account ada@example.com does not exist" in said.err


class TestResetTwoFactor:
    def test_the_password_alone_is_then_enough(self, cli: Cli, typed, folder: Path):
        typed("correct horse\n")
        cli("users", "create", "ada@example.com", "--password-stdin")

        async def turn_on(database: Database, _: Settings) -> None:
            async with database.reading() as session:
                account = await service.user_named(session, "ada@example.com")
            await Make(database).two_factor(account)

        async def is_on(database: Database, _: Settings) -> bool:
            async with database.reading() as session:
                account = await service.user_named(session, "ada@example.com")
                return await two_factor.secret(session, account.id) is not None

        within(turn_on)
        was_on = within(is_on)

        said, again = [cli("users", "reset-2fa", "Ada@example.com") for _ in range(2)]

        assert was_on
        assert said.code == 0
        assert said.out.startswith("Two-factor sign-in of ada@example.com is off.")
        assert not within(is_on)
        assert (again.code, again.err) == (
            1,
            "Error: The account has no two-factor sign-in.\n",
        )
        (mail,) = kept(folder / "data")
        assert (mail["To"], mail["Subject"]) == ("ada@example.com", "Two-factor sign-in is off")

    def test_an_unknown_account_is_refused(self, cli: Cli):
        said = cli("users", "reset-2fa", "ada@example.com")

        assert said.code == 1
        assert "Account ada@example.com does not exist" in said.err


class TestSessions:
    @pytest.fixture
    def opened(self, cli: Cli, typed) -> None:
        """ada@example.com has two sessions, of different devices."""
        typed("correct horse\n")
        cli("users", "create", "ada@example.com", "--password-stdin")

        async def open_two(database: Database, _: Settings) -> None:
            for origin in (SessionOrigin("10.0.0.7", "Firefox on Linux"), None):
                async with database.transaction() as session:
                    account = await service.user_named(session, "ada@example.com")
                    await service.open_session(session, account.id, origin=origin)

        within(open_two)

    def test_they_are_listed_and_ended(self, cli: Cli, opened):
        listed = cli("users", "sessions", "Ada@example.com")
        ended = cli("users", "sessions", "ada@example.com", "--end")
        left = cli("users", "sessions", "ada@example.com")

        newest, oldest = listed.out.splitlines()
        assert oldest.split("\t")[2:] == ["Firefox on Linux", "10.0.0.7"]
        assert newest.split("\t")[2:] == ["unknown device", "unknown address"]
        assert newest.startswith("logged in 20")
        assert (ended.code, ended.out) == (0, "Sessions ended: 2.\n")
        assert (left.code, left.out, left.err) == (0, "", "ada@example.com has no sessions.\n")

    def test_an_unknown_account_is_refused(self, cli: Cli):
        said = cli("users", "sessions", "bob@example.com")

        assert said.code == 1
        assert "Account bob@example.com does not exist" in said.err


class TestSetupToken:
    def test_it_is_the_one_that_registers_the_first_account(self, cli: Cli, folder: Path):
        secret = b"0123456789abcdef" * 4
        (folder / "data" / "jwt.key").write_bytes(secret)
        (folder / "data" / "jwt.key").chmod(0o600)

        said = cli("setup-token")

        token = setup_token(secret)
        assert (said.code, said.out) == (0, f"{token}\n")
        assert f"http://127.0.0.1:8080/register#setup={token}" in said.err
        assert "The link opens a server at http://127.0.0.1:8080. If yours has another" in said.err

    def test_without_the_key_of_the_server_none_is_made(self, cli: Cli, folder: Path):
        said = cli("setup-token")

        assert said.code == 1
        assert f"{folder}/data does not contain a signing key." in said.err
        assert not (folder / "data" / "jwt.key").exists()

    def test_with_an_account_there_is_none(self, cli: Cli, typed):
        typed("correct horse\n")
        cli("users", "create", "ada@example.com", "--password-stdin")

        said = cli("setup-token")

        assert (said.code, said.out) == (1, "")
        assert "The server already has an account" in said.err
