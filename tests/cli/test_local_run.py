import asyncio
import json
import signal
from pathlib import Path

import pytest

from stepiq.cli.models import uses_local_model
from stepiq.core.settings.model import load as load_settings
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from stepiq.providers.registry import Providers
from tests.cli.conftest import Cli, Command, write
from tests.support.fake_provider import RunningFakeProvider

ASKING = """\
name: Asking
input: {schema: {topic: {type: string, required: true}}}
steps:
  - id: ask
    prompt: "About {{input.topic}}"
    retry: {max_attempts: 2, backoff_ms: 1}
  - id: shout
    type: transform
    template: "{{steps.ask.output}}!"
"""


@pytest.fixture
def asking(tmp_path: Path) -> Path:
    return write(tmp_path, ASKING)


class TestRun:
    """What ends before anything runs."""

    def test_an_invalid_file_is_not_run(self, cli: Cli, folder: Path):
        write(folder, "name: T\nsteps: [{id: a, type: transform}]")

        said = cli("run", "pipeline.yaml")

        assert (said.code, said.out) == (1, "")
        assert said.err.startswith("error    pipeline.yaml:2:")

    def test_a_misspelled_setting_is_a_warning(
        self, cli: Cli, pipeline: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_DEFAULT_MODL", "gpt-4o")

        said = cli("run", "pipeline.yaml", "--input", "who=Ada")

        assert said.code == 0
        assert said.err.splitlines()[0] == (
            "warning  STEPIQ_DEFAULT_MODL is set, but this setting does not exist. "
            "Did you mean STEPIQ_DEFAULT_MODEL?"
        )

    def test_an_invalid_file_as_json_has_the_shape_of_validate(self, cli: Cli, folder: Path):
        write(folder, "name: T\nsteps: [{id: a, type: transform}]")

        said = cli("run", "pipeline.yaml", "--json")

        assert said.code == 1
        assert json.loads(said.out)["valid"] is False

    def test_a_missing_file_is_a_usage_error(self, cli: Cli):
        assert cli("run", "missing.yaml").code == 2

    def test_input_that_does_not_fit_is_a_usage_error_that_names_the_field(
        self, cli: Cli, pipeline: Path
    ):
        said = cli("run", "pipeline.yaml", "--input", "count=3")

        assert said.code == 2
        assert "who" in said.err

    def test_input_that_cannot_be_read_is_a_usage_error(self, cli: Cli, pipeline: Path):
        said = cli("run", "pipeline.yaml", "--input", "who=Ada", "--input", "count=many")

        assert said.code == 2
        assert "--input count" in said.err

    def test_an_unknown_model_is_refused(self, cli: Cli, folder: Path):
        write(folder, ASKING)

        said = cli("run", "pipeline.yaml", "-i", "topic=x", "--model", "gpt-4oo")

        assert said.code == 2
        assert said.err.startswith("Error: --model: Model `gpt-4oo` is not known.")
        assert said.err.count("gpt-4oo") == 1
        assert said.err.count("Did you mean") == 1

    def test_a_model_without_a_step_for_it_is_told(self, cli: Cli, pipeline: Path):
        said = cli("run", "pipeline.yaml", "--input", "who=Ada", "--model", "gpt-4o")

        assert said.code == 0
        assert "--model has no effect" in said.err

    def test_input_that_does_not_fit_is_told_once(self, cli: Cli, pipeline: Path):
        said = cli("run", "pipeline.yaml")

        assert said.err.count("`who` is required") == 1
        assert said.err.splitlines()[-1] == "Add --input who=…"

    def test_a_misspelled_input_is_a_usage_error(self, cli: Cli, pipeline: Path):
        said = cli("run", "pipeline.yaml", "-i", "who=Ada", "-i", "cuont=2")

        assert said.code == 2
        assert "Error: --input cuont" in said.err
        assert "Did you mean `count`?" in said.err

    def test_a_model_for_an_invalid_file_changes_nothing(self, cli: Cli, folder: Path):
        write(folder, "name: T\nsteps: [{id: a, type: transform}]")

        said = cli("run", "pipeline.yaml", "--model", "gpt-4o")

        assert said.code == 1
        assert said.err.startswith("error    pipeline.yaml:2:")


@pytest.mark.slow
class TestRunAsAProcess:
    async def test_the_output_and_nothing_else_is_on_standard_output(
        self, command: Command, pipeline: Path
    ):
        said = await command("run", "pipeline.yaml", "--input", "who=Ada", "--input", "count=2")

        assert (said.code, said.out) == (0, "Hello Ada x 2\n")
        assert "✓ greet" in said.err
        assert "completed" in said.err

        # Nothing of the run is kept.
        assert not list(command.folder.glob("data/*.db*"))

    async def test_a_model_is_asked_and_its_text_shown_as_it_comes(
        self, command: Command, provider: RunningFakeProvider, asking: Path
    ):
        command.use(provider)
        provider.configure(text="one two three")

        said = await command("run", "pipeline.yaml", "--input", "topic=moss")

        assert (said.code, said.out) == (0, "one two three!\n")
        assert "> ask calls openai/gpt-4o-mini\none two three\n✓ ask  " in said.err
        assert "3 out · $0.00000" in said.err

    async def test_json_is_the_run_as_the_api_shows_it(
        self, command: Command, provider: RunningFakeProvider, asking: Path
    ):
        command.use(provider)

        said = await command("run", "pipeline.yaml", "-i", "topic=moss", "--json")

        run = json.loads(said.out)
        assert said.code == 0
        assert said.err == ""
        assert run["status"] == "completed"
        assert run["output"] == "echo: About moss!"
        assert [step["step_id"] for step in run["steps"]] == ["ask", "shout"]

    async def test_a_model_may_be_chosen_for_every_step(
        self, command: Command, provider: RunningFakeProvider, asking: Path
    ):
        command.use(provider)

        said = await command("run", "pipeline.yaml", "-i", "topic=moss", "--model", "gpt-4o")

        assert said.code == 0
        assert provider.requests[0].body["model"] == "gpt-4o"

    async def test_a_failed_run_says_where_and_why(
        self, command: Command, provider: RunningFakeProvider, asking: Path
    ):
        command.use(provider, key="sk-wrong-0123456789")
        provider.configure(api_key="sk-right")

        said = await command("run", "pipeline.yaml", "-i", "topic=moss")

        assert (said.code, said.out) == (1, "")
        assert "Error: The run failed (provider_auth). Step `ask`: " in said.err
        assert "OPENAI_API_KEY" in said.err
        assert "0123456789" not in said.err

    async def test_a_failed_run_as_json_ends_with_1(
        self, command: Command, provider: RunningFakeProvider, asking: Path
    ):
        command.use(provider)
        provider.configure(failures=[400])

        said = await command("run", "pipeline.yaml", "-i", "topic=moss", "--json")

        assert said.code == 1
        assert json.loads(said.out)["error"]["step_id"] == "ask"

    async def test_what_is_tried_again_is_told(
        self, command: Command, provider: RunningFakeProvider, asking: Path
    ):
        command.use(provider)
        provider.configure(failures=[500])

        said = await command("run", "pipeline.yaml", "-i", "topic=moss")

        assert said.code == 0
        assert "warning: ask: Attempt 1 failed" in said.err
        assert "> ask calls openai/gpt-4o-mini (attempt 2)" in said.err

    async def test_ctrl_c_aborts_the_call_in_flight(
        self, command: Command, provider: RunningFakeProvider, asking: Path
    ):
        command.use(provider)
        provider.configure(latency_ms=60_000)
        process = await command.start("run", "pipeline.yaml", "-i", "topic=moss")
        asked = await asyncio.wait_for(provider.next_request(), 60)

        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), 60)

        await asyncio.wait_for(asked.ended.wait(), 30)
        assert process.returncode == 130
        assert asked.closed_by_client
        assert err.strip() == b"> ask calls openai/gpt-4o-mini"


class TestUsesLocalModel:
    @pytest.mark.parametrize(
        ("step", "expected"),
        [
            ("prompt: x", True),
            ("prompt: x, model: local/smollm2-135m", True),
            ("prompt: x, model: gpt-4o", False),
            ("type: transform, template: x", False),
        ],
    )
    def test_it_is_used_where_a_step_names_it_or_none(self, step: str, expected: bool):
        definition = load(f"name: T\nsteps: [{{id: a, {step}}}]", SourceFormat.YAML).definition
        assert definition is not None

        assert uses_local_model(definition, Providers(load_settings())) is expected


READING = "name: T\nsteps: [{id: a, type: transform, template: 'Key {{env.CRM_TOKEN}}'}]"


class TestSecrets:
    def test_a_secret_is_the_variable_of_its_name_and_is_masked(
        self, cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        write(folder, READING)
        monkeypatch.setenv("CRM_TOKEN", "correct horse battery")

        said = cli("run", "pipeline.yaml", "--secret", "CRM_TOKEN", "--json")

        assert json.loads(said.out)["output"] == "Key [secret:CRM_TOKEN]"
        assert "correct horse" not in said.out + said.err

    def test_one_that_is_missing_is_told_before_the_run_fails(self, cli: Cli, folder: Path):
        write(folder, READING)

        said = cli("run", "pipeline.yaml")

        assert said.code == 1
        assert "warning  pipeline.yaml:2:" in said.err
        assert "The secret `CRM_TOKEN` is missing. Set the environment variable" in said.err
        assert said.err.count("CRM_TOKEN` ") == 1

    @pytest.mark.parametrize("given", ["CRM_TOKEN=value", "CRM_TOKEN", "1"])
    def test_a_value_and_an_unset_variable_are_refused(self, cli: Cli, folder: Path, given: str):
        write(folder, READING)

        said = cli("run", "pipeline.yaml", "--secret", given)

        assert said.code == 2
        assert "=value" not in said.err

    def test_targets_need_nothing_and_get_nothing(self, cli: Cli, folder: Path):
        (folder / "pipeline.yaml").write_text(
            "name: N\nsteps:\n  - {id: a, type: transform, template: Done}\noutput:\n  deliver:\n"
            "    - {type: webhook, url: 'https://e.example', signing_secret_name: SIGNING}\n"
        )

        said = cli("run", "pipeline.yaml")

        assert said.code == 0
        assert "sends no deliveries" in said.err
        assert "SIGNING" not in said.err

    def test_validate_warns_where_secrets_are_named(
        self, cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        write(folder, READING)

        quiet = cli("validate", "pipeline.yaml")
        named = cli("validate", "pipeline.yaml", "--secret", "OTHER")

        assert quiet.code == named.code == 0
        assert "CRM_TOKEN" not in quiet.err + quiet.out
        assert "`CRM_TOKEN` is not stored" in named.err + named.out
