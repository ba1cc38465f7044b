"""What `stepiq run` refuses before it starts."""

from pathlib import Path

import pytest

from stepiq.cli.pipelines.run import certain_steps
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from tests.cli.conftest import Cli, write

STEP = "name: T\nsteps: [{id: ask, prompt: x%s}]"


class TestRequireModels:
    def test_a_missing_key_names_step_variable_and_models_without_a_key(
        self, cli: Cli, folder: Path
    ):
        write(folder, STEP % ", model: gpt-4o")

        said = cli("run", "pipeline.yaml")

        assert (said.code, said.out) == (2, "")
        assert said.err == (
            "Error: Step `ask` calls `openai/gpt-4o`, but OPENAI_API_KEY is not set. Set this environment variable. "
            "Or choose another model for every step:\n"
            "  --model local/smollm2-135m\n"
            "  --model ollama/NAME for a model of your Ollama server, after you have set OLLAMA_BASE_URL\n"
        )

    def test_several_steps_are_named_with_what_each_needs(self, cli: Cli, folder: Path):
        write(
            folder,
            """\
            name: T
            steps:
              - {id: a, prompt: x, model: gpt-4o}
              - {id: b, prompt: x, model: anthropic/claude-haiku-5-5}
              - {id: c, prompt: x, model: gpt-4o}
            """,
        )

        said = cli("run", "pipeline.yaml")

        assert "Steps `a`, `c` call `openai/gpt-4o`, but OPENAI_API_KEY is not set." in said.err
        assert (
            "Step `b` calls `anthropic/claude-haiku-5-5`, but ANTHROPIC_API_KEY is not" in said.err
        )

    def test_the_option_is_named_where_it_chose_the_model(self, cli: Cli, folder: Path):
        write(folder, STEP % "")

        said = cli("run", "pipeline.yaml", "--model", "ollama/llama3")

        assert said.code == 2
        assert said.err.startswith("Error: --model ollama/llama3: OLLAMA_BASE_URL is not set.")

    def test_the_default_model_of_the_settings_is_named(
        self, cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        write(folder, STEP % "")
        monkeypatch.setenv("STEPIQ_DEFAULT_MODEL", "mistral/mistral-small-latest")

        said = cli("run", "pipeline.yaml")

        assert "`mistral/mistral-small-latest`, but MISTRAL_API_KEY is not set" in said.err

    def test_an_unknown_default_model_is_explained(
        self, cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        write(folder, STEP % "")
        monkeypatch.setenv("STEPIQ_DEFAULT_MODEL", "gpt-4oo")

        said = cli("run", "pipeline.yaml")

        assert said.code == 2
        assert "Step `ask` cannot run. STEPIQ_DEFAULT_MODEL: Model `gpt-4oo`" in said.err

    def test_a_key_that_is_given_as_a_secret_counts(
        self, cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        write(folder, STEP % ", model: gpt-4o, if: 'false'")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")

        assert cli("run", "pipeline.yaml", "--secret", "OPENAI_API_KEY").code == 0

    def test_a_step_that_may_not_run_needs_nothing(self, cli: Cli, folder: Path):
        write(folder, STEP % ", model: gpt-4o, if: 'false'")

        assert cli("run", "pipeline.yaml").code == 0


class TestCertainSteps:
    def test_steps_with_if_and_steps_behind_a_jump_are_not(self):
        definition = load(
            """\
            name: T
            steps:
              - {id: a, prompt: x}
              - {id: b, prompt: x, if: "true"}
              - id: both
                type: parallel
                steps:
                  - {id: c, prompt: x}
                  - id: two
                    steps:
                      - {id: d, prompt: x, on_condition: [{if: "true", goto: f}]}
                      - {id: e, prompt: x}
                      - {id: f, prompt: x}
              - {id: g, prompt: x, on_error: {goto: i}}
              - {id: h, prompt: x}
              - {id: i, prompt: x}
            """,
            SourceFormat.YAML,
        ).definition
        assert definition is not None

        found = [step.id for step in certain_steps(definition.steps)]

        assert found == ["a", "both", "c", "d", "g"]
