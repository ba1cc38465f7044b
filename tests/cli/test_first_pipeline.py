import json
from pathlib import Path

import pytest
import yaml

from stepiq.language.definitions.json_schema import document
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from stepiq.trials.json_schema import document as schema_of_tests
from tests.cli.conftest import Cli, Command
from tests.docs.pages import blocks, read
from tests.support.fake_provider import RunningFakeProvider
from tests.support.local_model import needs_local_model

SCHEMA = Path(".stepiq") / "pipeline.schema.json"


class TestInit:
    def test_it_writes_a_pipeline_and_the_schema_that_its_first_line_names(
        self, cli: Cli, folder: Path
    ):
        said = cli("init")

        first, *_ = (folder / "pipeline.yaml").read_text().splitlines()
        named = first.removeprefix("# yaml-language-server: $schema=")
        assert (said.code, said.out) == (0, "")
        assert named == ".stepiq/pipeline.schema.json"
        assert json.loads((folder / named).read_text()) == document()
        first, *_ = (folder / "pipeline.test.yaml").read_text().splitlines()
        named = first.removeprefix("# yaml-language-server: $schema=")
        assert json.loads((folder / named).read_text()) == schema_of_tests()

    def test_its_first_steps_are_the_readmes(self, cli: Cli, folder: Path):
        cli("init")
        (shown, *_) = blocks(read("README.md"), "yaml")

        readme, ours = (
            yaml.safe_load(text)["steps"][:2]
            for text in (shown, (folder / "pipeline.yaml").read_text())
        )

        assert ours == readme

    def test_what_it_has_written_is_valid_without_a_word_more(self, cli: Cli, folder: Path):
        cli("init")

        said = cli("validate", "pipeline.yaml")

        assert (said.code, said.err) == (0, "pipeline.yaml: valid, 3 steps\n")

    def test_every_field_has_a_default_so_that_it_runs_without_input(self, cli: Cli, folder: Path):
        cli("init")
        text = (folder / "pipeline.yaml").read_text()
        definition = load(text, SourceFormat.YAML).definition
        assert definition is not None

        assert definition.input.validate({}) == {
            "message": "My order A-48213 arrived with a broken lid.",
            "priority": "normal",
        }

    def test_another_name_in_another_folder_has_its_schema_beside_it(self, cli: Cli, folder: Path):
        (folder / "my flows").mkdir()

        said = cli("init", "my flows/first.yml")

        text = (folder / "my flows" / "first.yml").read_text()
        assert said.code == 0
        assert "stepiq run 'my flows/first.yml'" in said.err
        assert "stepiq run 'my flows/first.yml'" in text
        assert text.startswith("# yaml-language-server: $schema=.stepiq/pipeline.schema.json\n")
        assert (folder / "my flows" / SCHEMA).is_file()

    @pytest.mark.parametrize("name", ["pipeline.yaml", "pipeline.test.yaml"])
    def test_a_file_that_is_there_stays_as_it_is(self, cli: Cli, folder: Path, name: str):
        (folder / name).write_text("mine")

        said = cli("init")

        assert said.code == 2
        assert f"{name} already exists." in said.err
        assert (folder / name).read_text() == "mine"
        assert not (folder / ".stepiq").exists()

    def test_force_replaces_it_and_renews_the_schema(self, cli: Cli, folder: Path):
        (folder / "pipeline.yaml").write_text("mine")
        (folder / ".stepiq").mkdir()
        (folder / SCHEMA).write_text("{}")

        said = cli("init", "--force")

        assert said.code == 0
        assert "name: Ticket" in (folder / "pipeline.yaml").read_text()
        assert json.loads((folder / SCHEMA).read_text()) == document()

    @pytest.mark.parametrize("name", ["-", "pipeline.json", "pipeline", "a\nb.yaml"])
    def test_it_writes_yaml_and_nothing_else(self, cli: Cli, folder: Path, name: str):
        said = cli("init", name)

        assert said.code == 2
        assert "such as pipeline.yaml" in said.err
        assert list(folder.iterdir()) == []

    def test_a_folder_that_is_not_there_is_a_usage_error(self, cli: Cli, folder: Path):
        said = cli("init", "missing/pipeline.yaml")

        assert said.code == 2
        assert "The folder missing does not exist." in said.err

    def test_what_cannot_be_written_is_named(self, cli: Cli, folder: Path):
        (folder / ".stepiq").write_text("no folder")

        said = cli("init")

        assert said.code == 2
        assert ".stepiq cannot be written" in said.err
        assert not (folder / "pipeline.yaml").exists()


class TestNames:
    def test_the_name_of_a_file_of_tests_is_refused(self, cli: Cli, folder: Path):
        said = cli("init", "sub.test.yaml")

        assert said.code == 2
        assert said.err == (
            "Error: sub.test.yaml is the name of a file of tests. Use the name of the pipeline, such as sub.yaml.\n"
        )
        assert list(folder.iterdir()) == []


@pytest.mark.slow
class TestInitAndRun:
    async def test_its_tests_pass(self, command: Command):
        await command("init", "first.yml")

        said = await command("test", "first.yml")

        assert (said.code, said.out.splitlines()[-1]) == (0, "3 tests, all passed")

    async def test_it_runs_without_input(self, command: Command, provider: RunningFakeProvider):
        command.use(provider)
        provider.configure(text='{"order_number": "A-48213"}')
        await command("init")

        said = await command("run", "pipeline.yaml")

        assert said.code == 0, said.err
        assert said.out.startswith("# Order A-48213\n")

    @needs_local_model
    async def test_the_commands_that_it_prints_work(self, command: Command):
        said = await command("init")
        validate, test, run = said.err.splitlines()[-3:]

        ran = await command.shell("\n".join([validate, test, run]))

        assert ran.code == 0, ran.err
        assert "3 tests, all passed\n# Order A-60212\n" in ran.out


class TestSchema:
    def test_it_is_printed(self, cli: Cli):
        said = cli("schema")

        assert (said.code, said.err) == (0, "")
        assert json.loads(said.out) == document()

    def test_so_is_the_one_of_tests(self, cli: Cli):
        said = cli("schema", "tests")

        assert (said.code, said.err) == (0, "")
        assert json.loads(said.out) == schema_of_tests()

    def test_it_is_what_init_writes(self, cli: Cli, folder: Path):
        cli("init")

        assert cli("schema").out == (folder / SCHEMA).read_text()
