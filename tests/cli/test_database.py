import pytest

from stepiq.store.migrate import known_revisions
from tests.cli.conftest import Cli


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
