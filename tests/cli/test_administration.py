"""`stepiq users list`, `delete`, `reset`, `admin`, `verify`, `plan`, and `stepiq workspaces`."""

import io
import json
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from stepiq.accounts import service
from stepiq.core.settings.model import Settings
from stepiq.store.database import Database
from stepiq.store.tables import users
from tests.cli.conftest import Cli, within
from tests.support.stores import SqliteStores


@pytest.fixture(autouse=True)
def store(folder: Path, sqlite_stores: SqliteStores) -> None:
    """The empty database of a server that has no account yet."""
    (folder / "data").mkdir(mode=0o700)
    sqlite_stores.create(folder / "data")


@pytest.fixture
def create(cli: Cli, monkeypatch: pytest.MonkeyPatch):
    def create(email: str, *options: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse\n"))
        assert cli("users", "create", email, "--password-stdin", *options).code == 0

    return create


@pytest.fixture
def accounts(create):
    """An administrator and two other accounts."""
    create("root@example.com")
    create("ada@example.com", "--name", "Ada", "--plan", "free")
    create("bob@example.com", "--name", "Bob", "--plan", "free")


@pytest.fixture
def workspace_of(cli: Cli):
    def workspace_of(name: str) -> str:
        said = cli("workspaces", "list", name, "--json")
        (found,) = json.loads(said.out)["data"]
        return found["id"]

    return workspace_of


def has_account(email: str) -> bool:
    async def find(database: Database, _: Settings) -> bool:
        async with database.reading() as session:
            return await service.exists(session, email)

    return within(find)


@pytest.mark.usefixtures("accounts")
class TestUsers:
    def test_the_list_shows_state_and_plan_and_can_be_filtered(self, cli: Cli):
        cli("users", "disable", "bob@example.com")

        said = cli("users", "list")

        assert said.out.splitlines() == [
            "bob@example.com\tBob\tdisabled\tfree\t1 workspace",
            "ada@example.com\tAda\tactive\tfree\t1 workspace",
            "root@example.com\troot\tadministrator\tenterprise\t1 workspace",
        ]
        assert cli("users", "list", "AD").out.startswith("ada@example.com\t")
        assert cli("users", "list", "--disabled").out.startswith("bob@example.com\t")
        (admin,) = json.loads(cli("users", "list", "--admins", "--json").out)["data"]
        assert (admin["email"], admin["is_admin"], admin["plan"]) == (
            "root@example.com",
            True,
            "enterprise",
        )

    def test_administrators_are_made_and_unmade_but_never_the_last_one(self, cli: Cli):
        made = cli("users", "admin", "ada@example.com")
        unmade = cli("users", "admin", "root@example.com", "--remove")
        refused = cli("users", "admin", "ada@example.com", "--remove")

        assert made.out == "ada@example.com is now an administrator of the server.\n"
        assert unmade.out == "root@example.com is no longer an administrator of the server.\n"
        assert (refused.code, "only administrator" in refused.err) == (1, True)

    def test_a_reset_prints_a_link(self, cli: Cli):
        said = cli("users", "reset", "ada@example.com")

        assert "/reset-password#token=" in said.out, said
        assert "The link opens a server at http://127.0.0.1:8080." in said.err
        assert "It was not emailed" in said.err

    def test_a_deleted_account_is_gone_and_its_workspace_has_no_members(self, cli: Cli):
        said = cli("users", "delete", "ada@example.com", "--data", "keep", "--yes")

        assert said.out == (
            "Deleted ada@example.com. Sessions ended: 0. API keys revoked: 0. Runs cancelled: 0.\n"
        )
        assert not has_account("ada@example.com")
        left = cli("workspaces", "list", "--without-members").out
        assert left.endswith("\tAda\tfree\t0 members\t0 runs\n")
        again = cli("users", "delete", "ada@example.com", "--data", "keep", "--yes")
        assert (again.code, "does not exist" in again.err) == (1, True)

    def test_what_happens_to_the_data_must_be_said_and_confirmed(self, cli: Cli, monkeypatch):
        unsaid = cli("users", "delete", "ada@example.com", "--yes")
        monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
        unconfirmed = cli("users", "delete", "ada@example.com", "--data", "erase")

        assert (unsaid.code, unconfirmed.code) == (2, 2)
        assert has_account("ada@example.com")

    def test_the_plan_of_an_account_is_that_of_its_workspace(self, cli: Cli, workspace_of):
        said = cli("users", "plan", "ada@example.com", "pro")

        assert said.out == "ada@example.com now has plan pro.\n"
        assert "\tpro\t" in cli("workspaces", "list", workspace_of("Ada")).out

    @pytest.mark.parametrize(
        "command", [("reset",), ("admin",), ("verify",), ("delete", "--data=keep", "--yes")]
    )
    def test_unknown_accounts_are_refused(self, cli: Cli, command):
        name, *options = command

        said = cli("users", name, "eve@example.com", *options)

        assert said.code == 1
        assert "Account eve@example.com does not exist" in said.err

    def test_an_address_is_verified(self, cli: Cli):
        async def forget(database: Database, _: Settings) -> None:
            async with database.transaction() as session:
                await session.execute(sa.update(users).values(email_verified_at=None))

        async def verified(database: Database, _: Settings) -> list[str]:
            async with database.reading() as session:
                wanted = sa.select(users.c.email).where(users.c.email_verified_at.is_not(None))
                return list((await session.execute(wanted)).scalars())

        within(forget)

        said = cli("users", "verify", "ada@example.com")

        assert said.out == "ada@example.com is verified.\n"
        assert within(verified) == ["ada@example.com"]


@pytest.mark.usefixtures("accounts")
class TestWorkspaces:
    def test_limits_are_changed_shown_and_restored(self, cli: Cli, workspace_of):
        workspace = workspace_of("Ada")

        changed = cli(
            "workspaces", "limits", workspace, "runs_per_day=50", "cron=true", "steps=unlimited"
        )
        restored = cli("workspaces", "limits", workspace, "cron=plan")

        assert "runs_per_day\t50\tset for this workspace\n" in changed.out
        assert "steps\tunlimited\tset for this workspace\n" in changed.out
        assert "webhooks\tfalse\n" in changed.out
        assert "cron\tfalse\n" in restored.out
        assert "\tfree, changed\t" in cli("workspaces", "list", "Ada").out

    @pytest.mark.parametrize(
        ("change", "code", "message"),
        [
            ("runs_per_day", 2, "is not NAME=VALUE"),
            ("runs_a_day=5", 1, "Did you mean"),
            ("runs_per_day=many", 1, "Write 0 or more"),
        ],
    )
    def test_wrong_limits_are_refused(self, cli: Cli, workspace_of, change, code, message):
        said = cli("workspaces", "limits", workspace_of("Ada"), change)

        assert (said.code, message in said.err) == (code, True)

    def test_a_plan_is_set(self, cli: Cli, workspace_of):
        said = cli("workspaces", "plan", workspace_of("Bob"), "pro")
        unknown = cli("workspaces", "plan", workspace_of("Bob"), "gold")

        assert (said.out, unknown.code) == ("Bob now has plan pro.\n", 1)

    @pytest.mark.parametrize(
        ("workspace", "code"), [("ada", 2), ("0192f0c5-1d3a-7b10-8c44-2f6f3a9e7d01", 1)]
    )
    def test_an_unknown_workspace_is_refused(self, cli: Cli, workspace, code):
        assert cli("workspaces", "plan", workspace, "pro").code == code
