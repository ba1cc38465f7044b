"""`stepiq members`, on the database of a server."""

import re
from pathlib import Path

import pytest

from tests.support.stores import SqliteStores

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def store(folder: Path, sqlite_stores: SqliteStores, cli, monkeypatch) -> None:
    """The database of a server with two accounts, Ada and Bob."""
    import io
    import sys

    (folder / "data").mkdir(mode=0o700)
    sqlite_stores.create(folder / "data")
    for name in ("ada", "bob"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD))
        assert cli("users", "create", f"{name}@example.com", "--password-stdin").code == 0


class TestList:
    def test_it_shows_roles(self, cli):
        done = cli("members", "list", "--workspace", "ada")

        assert (done.code, done.out) == (0, "owner     ada@example.com\n")

    def test_several_workspaces_are_listed(self, cli):
        done = cli("members", "list")

        assert done.code == 2
        assert "several workspaces" in done.err
        assert re.search(r"[0-9a-f-]{36}  ada\n", done.err)

    def test_an_unknown_one_is_named(self, cli):
        done = cli("members", "list", "--workspace", "nobody")

        assert (done.code, "Workspace `nobody` was not found" in done.err) == (2, True)


class TestChanges:
    def test_an_invitation_is_printed_as_a_link(self, cli):
        done = cli("members", "invite", "eve@example.com", "operator", "--workspace", "ada")

        assert done.code == 0
        assert re.fullmatch(r"http://[^/]+/join#invitation=\S{43}\n", done.out)
        assert "It was not emailed" in done.err
        assert "The link opens a server at http://127.0.0.1:8080. If yours has another" in done.err

    @pytest.mark.parametrize(
        "command",
        [
            ("members", "set-role", "eve@example.com", "viewer", "--workspace", "ada"),
            ("members", "remove", "eve@example.com", "--workspace", "ada"),
            ("users", "disable", "eve@example.com"),
        ],
    )
    def test_a_person_with_an_open_invitation_has_no_account_yet(self, cli, command):
        cli("members", "invite", "eve@example.com", "operator", "--workspace", "ada")

        done = cli(*command)

        assert done.code == 1
        assert "Account eve@example.com does not exist yet: its invitation is open." in done.err

    def test_a_link_to_the_public_url_needs_no_note(self, cli, monkeypatch):
        monkeypatch.setenv("STEPIQ_PUBLIC_URL", "https://stepiq.example.com")

        done = cli("members", "invite", "eve@example.com", "operator", "--workspace", "ada")

        assert done.out.startswith("https://stepiq.example.com/join#invitation=")
        assert "The link opens a server" not in done.err

    def test_the_last_owner_stays(self, cli):
        demoted = cli("members", "set-role", "ada@example.com", "viewer", "--workspace", "ada")
        removed = cli("members", "remove", "ada@example.com", "--workspace", "ada")

        for done in (demoted, removed):
            assert done.code == 1
            assert "only owner" in done.err

    def test_a_person_who_is_not_a_member_is_named(self, cli):
        done = cli("members", "set-role", "bob@example.com", "admin", "--workspace", "ada")

        assert done.code == 1
        assert "has no member" in done.err
