"""Reading a folder: which files belong together, and the errors with their positions."""

import json
from pathlib import Path

import pytest

from stepiq.cli.output.console import UsageError
from stepiq.cli.remote.deployment.commands import repository_name, source_of
from stepiq.cli.remote.deployment.deploy_files import json_schema
from stepiq.cli.remote.deployment.folder import Folder, pipeline_files, read_folder
from stepiq.cli.remote.deployment.state import PipelineSettings, ScheduleSettings, digest_of
from stepiq.language.documents.source import SourceFormat
from tests.cli.conftest import Cli

TEXT = "name: T\ninput: {schema: {n: {type: integer, required: true}}}\nsteps: [{id: a, type: transform, template: x}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flow.yaml").write_text(TEXT)
    return tmp_path


def read(folder: Path) -> Folder:
    return read_folder(pipeline_files(folder))


def errors(folder: Path) -> list[str]:
    return [
        f"{Path(each.file).name}:{each.issue.line}:{each.issue.column}: {each.issue.message}"
        for each in read(folder).errors
    ]


class TestFiles:
    def test_the_stem_is_the_slug(self, folder: Path):
        (folder / "other.json").write_text(
            '{"name": "O", "steps": [{"id": "a", "type": "transform", "template": "x"}]}'
        )

        found = read(folder)

        assert [(each.slug, each.file, each.format) for each in found.pipelines] == [
            ("flow", "flow.yaml", SourceFormat.YAML),
            ("other", "other.json", SourceFormat.JSON),
        ]
        assert found.errors == ()
        assert found.pipelines[0].digest == digest_of(TEXT)

    def test_tests_and_other_files_are_ignored(self, folder: Path):
        for name in ("flow.test.yaml", "README.md", ".hidden.yaml", "flow.yaml.orig"):
            (folder / name).write_text("[")
        (folder / "sub.yaml").mkdir()

        assert len(read(folder).pipelines) == 1
        assert errors(folder) == []

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("My Flow.yaml", "The name `My Flow` is not a slug. Must have 1 to 80 lower-case letters, digits and hyphens, and must not begin or end with a hyphen. Rename the file to `my-flow`."),
            ("-.yaml", "Rename the file."),
            ("validate.yaml", "Must not be `validate`"),
            ("01890000-0000-7000-8000-000000000000.yaml", "Must not have the form of an id"),
        ],
    )  # fmt: skip
    def test_a_name_that_is_no_slug_is_refused(self, folder: Path, name: str, message: str):
        (folder / name).write_text(TEXT)

        (found,) = errors(folder)

        assert message in found

    def test_two_files_of_one_pipeline_are_refused(self, folder: Path):
        (folder / "flow.json").write_text("{}")

        assert "flow.json is the same pipeline. Delete one" in "".join(errors(folder))

    def test_an_error_of_a_definition_has_its_position(self, folder: Path):
        (folder / "flow.yaml").write_text(TEXT.replace("transform", "tranform"))

        (found,) = errors(folder)

        assert found.startswith("flow.yaml:3:23: ")
        assert "transform" in found

    def test_a_file_that_is_not_utf8_is_refused(self, folder: Path):
        (folder / "flow.yaml").write_bytes(b"name: \xff")

        assert "not UTF-8: byte 7" in "".join(errors(folder))

    def test_a_text_that_the_server_has_accepted_is_not_checked_again(self, folder: Path):
        (folder / "flow.yaml").write_text("steps: wrong")

        found = read_folder(pipeline_files(folder), {"flow": digest_of("steps: wrong")})

        assert found.errors == ()

    @pytest.mark.parametrize("name", ["missing", "flow.yaml"])
    def test_the_folder_must_exist(self, folder: Path, name: str):
        with pytest.raises(UsageError, match="Give the folder"):
            pipeline_files(folder / name)


class TestDeployFiles:
    def test_all_fields_are_read(self, folder: Path):
        (folder / "flow.deploy.yaml").write_text(
            "tags: [ a , b, a]\npaused: true\nschedules:\n"
            "  - {name: Daily, cron: '0 1 * * *', timezone: Europe/Berlin, input: {n: 1}, enabled: false,"
            " overlap: skip, catch_up: last}\n"
        )

        (found,) = read(folder).pipelines

        assert found.settings == PipelineSettings(
            tags=("a", "b"),
            paused=True,
            schedules=(
                ScheduleSettings(
                    "Daily", "0 1 * * *", "Europe/Berlin", '{"n":1}', enabled=False,
                    overlap="skip", catch_up="last",
                ),
            ),
        )  # fmt: skip
        assert errors(folder) == []

    @pytest.mark.parametrize("text", ["", "# nothing yet\n"])
    def test_an_empty_file_manages_nothing(self, folder: Path, text: str):
        (folder / "flow.deploy.yaml").write_text(text)

        assert read(folder).pipelines[0].settings == PipelineSettings()
        assert errors(folder) == []

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("tag: [a]", "flow.deploy.yaml:1:1: Unknown field `tag`. Did you mean `tags`?"),
            ("tags: ['a\"b']", "flow.deploy.yaml:1:8: Must not contain double quotes"),
            ("tags: [' ']", "flow.deploy.yaml:1:8: "),
            ("paused: 1", "flow.deploy.yaml:1:9: Must be true or false."),
            ("schedules:\n - {name: ' ', cron: '0 1 * * *', input: {n: 1}}", "flow.deploy.yaml:2:11: "),
            ("schedules:\n - {name: A}", "flow.deploy.yaml:2:4: `cron` is required."),
            ("schedules:\n - {name: A, cron: '0 1 * *', input: {n: 1}}", "flow.deploy.yaml:2:20:"),
            ("schedules:\n - {name: A, cron: '0 1 * * *', timezone: Berlin, input: {n: 1}}", "flow.deploy.yaml:2:43:"),
            ("schedules:\n - {name: A, cron: '0 1 * * *', input: {n: x}}", "flow.deploy.yaml:2:40: The input of the schedule is not valid."),
            ("schedules:\n - {name: A, cron: '0 1 * * *'}", "flow.deploy.yaml:2:4: The input of the schedule is not valid."),
            ("schedules:\n - {name: A, cron: '0 1 * * *', input: {n: 1}}\n - {name: A, cron: '0 2 * * *', input: {n: 1}}", "Another schedule has the name `A`"),
            ("schedules:\n - {name: A, cron: '0 1 * * *', input: {n: 1}}\n - {name: ' A ', cron: '0 2 * * *', input: {n: 1}}", "flow.deploy.yaml:3:11: Another schedule has the name `A`"),
            ("[1]", "flow.deploy.yaml:1:1: Must be an object"),
            ("tags: [", "flow.deploy.yaml:1:"),
        ],
    )  # fmt: skip
    def test_errors_have_their_position(self, folder: Path, text: str, message: str):
        (folder / "flow.deploy.yaml").write_text(text)

        (found,) = errors(folder)

        assert message in found

    def test_one_without_a_pipeline_is_refused(self, folder: Path):
        (folder / "flwo.deploy.yaml").write_text("")

        assert "does not contain `flwo.yaml`" in "".join(errors(folder))

    def test_a_command_prints_the_schema(self, cli: Cli):
        said = cli("schema", "deploy")

        assert (said.code, said.err) == (0, "")
        assert json.loads(said.out) == json_schema()

    def test_the_schema_has_descriptions(self):
        schema = json_schema()

        assert set(schema["properties"]) == {"tags", "paused", "schedules"}
        assert schema["$defs"]["ScheduleShape"]["properties"]["cron"]["description"]


class TestSource:
    @pytest.mark.parametrize(
        ("url", "name"),
        [
            ("https://github.com/acme/flows.git", "github.com/acme/flows"),
            ("https://user:token@GitHub.com/acme/flows", "github.com/acme/flows"),
            ("git@github.com:acme/flows.git", "github.com/acme/flows"),
            ("ssh://git@github.com:22/acme/flows.git/", "github.com/acme/flows"),
            ("/srv/git/flows.git", "flows"),
            ("file:///srv/git/flows.git", "flows"),
            ("https://[bad", None),
            ("", None),
        ],
    )
    def test_a_repository_has_one_name_however_it_is_cloned(self, url: str, name: str | None):
        assert repository_name(url) == name

    def test_without_git_it_is_the_name_of_the_folder(self, tmp_path: Path):
        (tmp_path / "flows").mkdir()

        assert source_of(tmp_path / "flows") == "flows"

    def test_it_has_the_path_in_the_repository(self, tmp_path: Path):
        import subprocess

        inside = tmp_path / "a" / "flows"
        inside.mkdir(parents=True)
        subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
        subprocess.run(
            ["git", "-C", str(tmp_path), "remote", "add", "origin", "git@host.com:acme/x.git"],
            check=True,
        )

        assert source_of(inside) == "host.com/acme/x/a/flows"
        assert source_of(tmp_path) == "host.com/acme/x"

    def test_it_is_the_same_in_a_checkout_of_another_user(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        import subprocess

        git = ["git", "-C", str(tmp_path)]
        subprocess.run([*git, "init", "-q"], check=True)
        subprocess.run([*git, "remote", "add", "origin", "git@host.com:acme/x.git"], check=True)
        (tmp_path / "flows").mkdir()
        # Makes git treat every repository as that of another user.
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        refused = subprocess.run([*git, "remote"], capture_output=True, check=False)

        assert refused.returncode == 128
        assert source_of(tmp_path / "flows") == "host.com/acme/x/flows"
