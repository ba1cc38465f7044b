import io
import json
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, write


class TestValidate:
    def test_a_valid_file_is_told_to_be(self, cli: Cli, pipeline: Path):
        said = cli("validate", "pipeline.yaml")

        assert (said.code, said.err) == (0, "pipeline.yaml: valid, 1 step\n")

    def test_every_error_has_its_place(self, cli: Cli, folder: Path):
        write(
            folder,
            """\
            name: Broken
            steps:
              - id: a
                type: transform
                templte: x
              - id: b
                prompt: "{{steps.c.output}}"
            """,
        )

        said = cli("validate", "pipeline.yaml")

        lines = said.err.splitlines()
        assert said.code == 1
        assert any(
            line.startswith("error    pipeline.yaml:5:5: steps[0].templte:") for line in lines
        )
        assert any(line.startswith("error    pipeline.yaml:7:") for line in lines)

    def test_a_model_that_cannot_be_used_here_is_a_warning(self, cli: Cli, folder: Path):
        write(folder, "name: T\nsteps: [{id: a, prompt: x, model: gpt-4o}]")

        said = cli("validate", "pipeline.yaml")

        assert said.code == 0
        assert "warning  pipeline.yaml:2:" in said.err
        assert "OPENAI_API_KEY" in said.err

    def test_an_unknown_model_is_an_error_with_suggestions(self, cli: Cli, folder: Path):
        write(folder, "name: T\nsteps: [{id: a, prompt: x, model: gpt-4oo}]")

        said = cli("validate", "pipeline.yaml")

        assert said.code == 1
        assert "Did you mean" in said.err

    def test_json_has_the_shape_of_the_api(self, cli: Cli, folder: Path):
        write(folder, "name: T\nsteps: [{id: a, type: transform}]")

        said = cli("validate", "pipeline.yaml", "--json")

        found = json.loads(said.out)
        assert said.code == 1
        assert found["valid"] is False
        assert found["warnings"] == []
        assert found["errors"][0].keys() == {"path", "code", "message", "line", "column"}

    def test_several_files_are_reported_one_after_the_other(self, cli: Cli, pipeline: Path):
        write(pipeline.parent, "name: T\nsteps: [{id: a, type: transform}]", "broken.yaml")

        said = cli("validate", "pipeline.yaml", "broken.yaml", "pipeline.yaml")

        first, second, last = said.err.splitlines()
        assert said.code == 1
        assert first == "pipeline.yaml: valid, 1 step"
        assert second.startswith("error    broken.yaml:2:")
        assert last == "2 files: 1 valid, 1 invalid"

    def test_several_valid_files_with_one_from_standard_input(
        self, cli: Cli, pipeline: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pipeline.read_bytes())))

        said = cli("validate", "pipeline.yaml", "-")

        assert said.code == 0
        assert said.err.splitlines()[-1] == "2 files: 2 valid, 0 invalid"

    def test_several_files_as_json_are_listed_by_name(self, cli: Cli, pipeline: Path):
        write(pipeline.parent, "name: T\nsteps: [{id: a, type: transform}]", "broken.yaml")

        said = cli("validate", "pipeline.yaml", "broken.yaml", "--json")

        found = json.loads(said.out)
        assert (said.code, found["valid"]) == (1, False)
        assert [(each["file"], each["valid"]) for each in found["files"]] == [
            ("pipeline.yaml", True),
            ("broken.yaml", False),
        ]

    def test_files_that_cannot_be_read_do_not_hide_the_reports_of_others(
        self, cli: Cli, pipeline: Path
    ):
        write(pipeline.parent, "name: T\nsteps: [{id: a, type: transform}]", "broken.yaml")
        (pipeline.parent / "latin.yaml").write_bytes(b"name: \xff")

        said = cli("validate", "missing.yaml", "latin.yaml", "broken.yaml", "pipeline.yaml")

        missing, latin, broken, valid, last = said.err.splitlines()
        assert said.code == 2
        assert missing.startswith("error    missing.yaml: File missing.yaml does not exist")
        assert latin.startswith("error    latin.yaml: latin.yaml is not UTF-8")
        assert broken.startswith("error    broken.yaml:2:")
        assert valid == "pipeline.yaml: valid, 1 step"
        assert last == "4 files: 1 valid, 1 invalid, 2 cannot be read"

    def test_a_file_that_cannot_be_read_has_a_report_as_json(self, cli: Cli, pipeline: Path):
        said = cli("validate", "missing.yaml", "pipeline.yaml", "--json")

        found = json.loads(said.out)
        missing, valid = found["files"]
        assert (said.code, found["valid"], valid["valid"]) == (2, False, True)
        assert missing["valid"] is False
        assert [error["code"] for error in missing["errors"]] == ["unreadable_file"]

    def test_warnings_about_models_mention_no_server(
        self, cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        monkeypatch.setenv("STEPIQ_DEFAULT_MODEL", "openai/gpt-4o")
        write(folder, "name: T\nsteps: [{id: a, model: gpt-4o, prompt: x}, {id: b, prompt: y}]")

        said = cli("validate", "pipeline.yaml")

        named, default, _ = said.err.splitlines()
        advice = "cannot be used here yet. Set `OPENAI_API_KEY` to a key of your OpenAI account."
        assert named.endswith(f"steps[0].model: Model `openai/gpt-4o` {advice}")
        assert default.endswith(f"steps[1]: STEPIQ_DEFAULT_MODEL: Model `openai/gpt-4o` {advice}")

    def test_a_json_file_is_read_as_json(self, cli: Cli, folder: Path):
        document = {"name": "T", "steps": [{"id": "a", "type": "transform", "template": "x"}]}
        write(folder, json.dumps(document), "pipeline.json")

        assert cli("validate", "pipeline.json").code == 0

    def test_a_dash_reads_standard_input(
        self, cli: Cli, pipeline: Path, monkeypatch: pytest.MonkeyPatch
    ):
        text = io.TextIOWrapper(io.BytesIO(pipeline.read_bytes()))
        monkeypatch.setattr(sys, "stdin", text)

        assert cli("validate", "-").code == 0

    def test_a_missing_file_is_a_usage_error(self, cli: Cli):
        said = cli("validate", "missing.yaml")

        assert said.code == 2
        assert "File missing.yaml does not exist" in said.err

    def test_a_folder_stands_for_its_pipelines(self, cli: Cli, folder: Path):
        (folder / "pipelines" / "more").mkdir(parents=True)
        valid, broken = "name: T\nsteps: [{id: a, type: transform, template: x}]", "name: T"
        for name in ("b.yml", "a.yaml", "more/c.yaml", ".d.yaml"):
            write(folder / "pipelines", valid if name != "b.yml" else broken, name)
        for name in ("a.test.yaml", "a.deploy.yaml", "notes.txt"):
            write(folder / "pipelines", "neither", name)

        said = cli("validate", "pipelines", "pipelines/a.yaml")

        first, *_, last = said.err.splitlines()
        assert said.code == 1
        assert first == "pipelines/a.yaml: valid, 1 step"
        assert last == "2 files: 1 valid, 1 invalid"

    def test_a_folder_with_one_pipeline_is_a_list_of_one_as_json(self, cli: Cli, pipeline: Path):
        said = cli("validate", ".", "--json")

        assert json.loads(said.out) == {
            "valid": True,
            "files": [{"file": "pipeline.yaml", "valid": True, "errors": [], "warnings": []}],
        }

    def test_a_folder_without_pipelines_is_a_usage_error(self, cli: Cli, folder: Path):
        (folder / "pipelines").mkdir()

        said = cli("validate", "pipelines")

        assert said.code == 2
        assert "The folder pipelines contains no pipelines." in said.err

    def test_a_file_that_cannot_be_read_is_a_usage_error(self, cli: Cli, folder: Path):
        (folder / "loop").symlink_to("loop")

        said = cli("validate", "loop")

        assert said.code == 2
        assert "cannot be read" in said.err

    def test_a_file_that_is_not_utf8_is_a_usage_error(self, cli: Cli, folder: Path):
        (folder / "pipeline.yaml").write_bytes(b"name: \xff")

        said = cli("validate", "pipeline.yaml")

        assert said.code == 2
        assert "byte 7 cannot be read" in said.err
