import json

import pytest
from rich.console import Console

from tests.cli.conftest import Cli


class TestModels:
    def test_without_a_key_the_local_model_is_listed(self, cli: Cli):
        said = cli("models")

        assert said.code == 0
        assert said.out == "local/smollm2-135m\t4,096\t0\t0\tjson, streaming\n"
        assert "Steps without a model use local/smollm2-135m." in said.err
        assert "of Anthropic" in said.err

    def test_all_of_them_can_be_listed(self, cli: Cli):
        said = cli("models", "--all")

        assert "openai/gpt-4o\t128,000\t2.5\t10\t" in said.out
        assert "Not usable here" not in said.err

    def test_json_has_every_field(self, cli: Cli):
        (model,) = json.loads(cli("models", "--json").out)["data"]

        assert model["id"] == "local/smollm2-135m"
        assert model["usable"] is True

    def test_unknown_prices_are_not_zero(self, cli: Cli, folder):
        (folder / "stepiq.toml").write_text(
            '[endpoints.lab]\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["tiny"]\n'
        )

        assert "lab/tiny\t?\t?\t?\t" in cli("models").out

    def test_a_terminal_gets_a_table(self, cli: Cli, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(Console, "is_terminal", property(lambda _: True))

        assert "$ per million in" in cli("models").out

    def test_a_default_model_that_cannot_be_used_is_told(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_DEFAULT_MODEL", "gpt-4o")

        said = cli("models")

        assert said.code == 0
        assert "Steps without a model fail. STEPIQ_DEFAULT_MODEL: " in said.err
