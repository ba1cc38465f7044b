import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stepiq.core.settings.model import load
from tests.cli.conftest import Cli
from tests.server.checks.conftest import locked


class TestDoctor:
    def test_a_new_folder_works(self, cli: Cli):
        said = cli("doctor")

        assert said.code == 0
        assert "Everything that is configured works." in said.out
        assert "default model" in said.out

    def test_looking_makes_nothing(self, cli: Cli, folder: Path):
        cli("doctor")

        assert list(folder.iterdir()) == []

    def test_what_keeps_a_server_from_starting_is_counted(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_DEFAULT_PLAN", "gold")

        said = cli("doctor")

        assert said.code == 1
        assert "FAILED   plans" in said.out
        assert "1 of " in said.out
        assert "`stepiq serve` cannot start until you fix the problems above." in said.out

    def test_settings_that_cannot_be_read_are_the_only_thing_told(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_PORT", "high")

        found = json.loads(cli("doctor", "--json").out)

        assert found["ok"] is False
        (check,) = found["checks"]
        assert check["name"] == "STEPIQ_PORT"
        assert check["detail"] == "`high` is not valid. Use an integer from 0 to 65535."
        assert cli("doctor").out.endswith(
            "\n\n`stepiq serve` cannot start until you correct the settings above. Nothing else was checked.\n"
        )

    def test_a_host_that_is_not_of_this_machine_keeps_a_server_from_starting(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ):
        # An address of other machines (RFC 5737).
        monkeypatch.setenv("STEPIQ_HOST", "192.0.2.1")

        said = cli("doctor")

        assert said.code == 1
        assert "Set STEPIQ_HOST or --host to one of its addresses" in said.out
        assert "`stepiq serve` cannot start until you fix the problems above." in said.out

    def test_a_server_that_is_running_need_not_be_started(self, cli: Cli):
        here = load()
        here.data_dir.mkdir(mode=0o700)
        with locked(here):
            said = cli("doctor")

        assert said.code == 0
        assert said.out.endswith("Everything that is configured works. The server is running.\n")

    def test_a_database_that_does_not_answer_is_reported_once(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_DATABASE_URL", "postgresql://u@127.0.0.1:9/none")

        with capture_logs() as logs:
            said = cli("doctor")

        assert said.out.count("FAILED") == 1
        assert logs == []

    def test_json_has_one_object_for_each_check(self, cli: Cli):
        found = json.loads(cli("doctor", "--json").out)

        assert found["ok"] is True
        assert found["checks"][0] == {
            "name": "settings",
            "status": "ok",
            "detail": "STEPIQ_DATA_DIR",
            "advice": "",
        }
