import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.engine import URL, make_url

from stepiq.store import migrate
from stepiq.store.migrate import current_revision, known_revisions
from tests.cli.conftest import Cli
from tests.support.later_version import add_migrations


class TestMigrate:
    def test_an_empty_database_is_brought_up_to_date_and_then_left_alone(self, cli: Cli):
        newest = known_revisions()[0]

        first, second = cli("migrate"), cli("migrate")

        assert first.code == second.code == 0
        assert f"created schema {newest}" in first.out
        assert f"already has schema {newest}" in second.out

    def test_a_current_database_needs_nothing(
        self, cli: Cli, database_url: str, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_DATABASE_URL", database_url)
        monkeypatch.setenv("STEPIQ_ALLOW_UNSAFE_STORE", "true")

        assert "already has schema" in cli("migrate").out

    def test_a_database_that_does_not_answer_is_told(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_DATABASE_URL", "postgresql://u:geheim@127.0.0.1:9/none")

        said = cli("migrate")

        assert said.code == 1
        assert "127.0.0.1" in said.err
        assert "geheim" not in said.err

    def test_it_says_that_another_program_uses_a_table(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ):
        upgrade = migrate.upgrade

        def wait(url: URL, on_wait: Callable[[], None]) -> None:
            on_wait()
            upgrade(url)

        monkeypatch.setattr(migrate, "upgrade", wait)

        said = cli("migrate")

        assert "Another program uses a table of the database." in said.err
        assert "created schema" in said.out


class TestLoadSettings:
    @pytest.mark.parametrize(
        "command",
        [
            ("users", "list"),
            ("users", "create", "ada@example.com"),
            ("users", "plan", "ada@example.com", "free"),
            ("workspaces", "list"),
            ("audit", "list"),
            ("setup-token",),
        ],
        ids=" ".join,
    )
    def test_a_database_of_an_older_version_is_refused_and_left_alone(
        self,
        cli: Cli,
        folder: Path,
        command: tuple[str, ...],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ):
        cli("migrate")
        url = make_url(f"sqlite:///{folder}/data/stepiq.db")
        older = current_revision(url)
        add_migrations(monkeypatch, tmp_path, "SELECT 1")

        said = cli(*command)

        assert said.code == 2
        assert "Run `stepiq migrate` first." in said.err
        assert current_revision(url) == older

    def test_a_database_of_a_newer_version_is_refused(self, cli: Cli, folder: Path):
        cli("migrate")
        with closing(sqlite3.connect(folder / "data" / "stepiq.db")) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = '999912312359'")

        said = cli("users", "list")

        assert said.code == 1
        assert "schema 999912312359 of a newer stepIQ" in said.err
