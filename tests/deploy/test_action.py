"""The GitHub Action: its form, and its scripts, which run here in Bash. GitHub itself does not run it here."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stepiq import __version__
from tests.docs.pages import blocks, read, section
from tests.support.containers import ROOT
from tests.support.forked_programs import programs

ACTION: Any = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
DEFAULTS = {name: each["default"] for name, each in ACTION["inputs"].items()}
VALID = "name: T\nsteps: [{id: a, type: transform, template: x}]\n"
TESTS = "tests: [{name: t, expect: {output: x}}]\n"


class Runner:
    """Runs the scripts of a composite action as GitHub documents it: each in Bash, with the step's variables."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.inputs = dict(DEFAULTS)
        self.github = {"repository": "acme/flows", "event.pull_request.number": "7"}

    def add_program(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IEXEC)

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        step = STEPS[name]
        variables = {key: self._value(text) for key, text in step.get("env", {}).items()}
        ours = {key: value for key, value in os.environ.items() if not key.startswith("STEPIQ_")}
        path = f"{self.programs}:{programs()}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        # What GitHub runs for `shell: bash`.
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env={**ours, "PATH": path, "GITHUB_ACTION_PATH": str(ROOT), "RUNNER_TEMP": str(self.folder), "STEPIQ_DATA_DIR": "data", **variables},
            capture_output=True,
            text=True,
        )  # fmt: skip

    def _value(self, text: str) -> str:
        found = re.fullmatch(r"\$\{\{ (\w+)\.([\w.-]+) \}\}", text)
        assert found, text
        return str({"inputs": self.inputs, "github": self.github}[found[1]][found[2]])


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


class TestForm:
    def test_it_is_what_github_documents(self):
        check = Path(sys.executable).with_name("check-jsonschema")
        command = [check, "--builtin-schema", "vendor.github-actions", "action.yml"]

        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

        assert done.returncode == 0, done.stdout

    def test_no_input_becomes_a_part_of_a_script(self):
        for step in STEPS.values():
            assert "${{" not in step.get("run", "")

    def test_the_guide_has_every_input_with_its_default(self):
        rows = re.findall(r"^\| `([\w-]+)` \| (.+?) \|", section(read("docs/ci.md"), "## GitHub Actions"), re.MULTILINE)  # fmt: skip

        assert {name for name, _ in rows} == set(DEFAULTS)
        for name, shown in rows:
            if DEFAULTS[name] and not DEFAULTS[name].startswith("${{"):
                assert shown == f"`{DEFAULTS[name]}`"

    @pytest.mark.slow
    def test_the_workflow_of_the_guide_is_what_github_documents(self, tmp_path: Path):
        check = Path(sys.executable).with_name("check-jsonschema")
        github, deploy, gitlab = blocks(read("docs/ci.md"), "yaml")
        (tmp_path / "github.yml").write_text(github)
        (tmp_path / "deploy.yml").write_text(deploy)
        (tmp_path / "gitlab.yml").write_text(gitlab)

        for kind, file in (("github-workflows", "github.yml"), ("github-workflows", "deploy.yml"), ("gitlab-ci", "gitlab.yml")):  # fmt: skip
            command = [check, "--builtin-schema", f"vendor.{kind}", tmp_path / file]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout
        used = [step for step in yaml.safe_load(github)["jobs"]["pipelines"]["steps"] if "stepiq" in step.get("uses", "")]  # fmt: skip
        assert used[0]["uses"].endswith(f"/stepiq@v{__version__}")
        assert set(used[0]["with"]) <= set(DEFAULTS)
        assert f"pip install stepiq=={__version__}\n" in gitlab


class TestInstall:
    @pytest.mark.parametrize(("given", "wanted"), [("", __version__), ("1.2.3", "1.2.3")])
    def test_it_installs_the_version_of_the_action_or_another(self, runner: Runner, given: str, wanted: str):  # fmt: skip
        runner.inputs["version"] = given

        assert self.installed(runner) == f"stepiq-slim=={wanted}"

    def test_only_tests_need_all_of_stepiq(self, runner: Runner):
        folder = runner.folder / "pipelines"
        folder.mkdir()
        (folder / "a.yaml").write_text(VALID)
        without = self.installed(runner)
        (folder / "a.test.yaml").write_text(TESTS)

        assert (without, self.installed(runner)) == (f"stepiq-slim=={__version__}", f"stepiq=={__version__}")  # fmt: skip

    def installed(self, runner: Runner) -> str:
        runner.add_program("python", 'echo "$@"')
        done = runner.run("Install stepIQ")
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.strip().removeprefix("-m pip install --quiet ")


@pytest.mark.slow
class TestScripts:
    def test_valid_pipelines_with_good_tests_pass(self, runner: Runner):
        folder = runner.folder / "pipelines"
        folder.mkdir()
        (folder / "a.yaml").write_text(VALID)
        (folder / "a.test.yaml").write_text(TESTS)

        validated, tested = runner.run("Validate"), runner.run("Test")

        assert validated.returncode == 0, validated
        assert tested.returncode == 0, tested
        assert (runner.folder / "stepiq-tests.xml").is_file()

    def test_an_error_fails_and_is_shown_at_its_line(self, runner: Runner):
        runner.inputs["folder"] = "some pipelines; exit 0"
        folder = runner.folder / runner.inputs["folder"]
        folder.mkdir()
        (folder / "a.yaml").write_text(
            "name: T\nsteps:\n  - {id: a, type: transform, tmplate: x}\n"
        )

        done = runner.run("Validate")

        command = re.search(r"^::add-matcher::(.+)$", done.stdout, re.MULTILINE)
        assert command is not None
        (errors, warnings) = json.loads(Path(command[1]).read_text())["problemMatcher"]
        (pattern,) = errors["pattern"]
        found = [re.fullmatch(pattern["regexp"], line) for line in done.stderr.splitlines()]
        first = next(each for each in found if each)
        assert done.returncode == 1
        assert first[pattern["file"]] == "some pipelines; exit 0/a.yaml"
        assert first[pattern["line"]] == "3"
        assert "tmplate" in first[pattern["message"]]
        assert warnings["severity"] == "warning"

    def test_a_failed_test_fails_and_is_reported(self, runner: Runner):
        folder = runner.folder / "pipelines"
        folder.mkdir()
        (folder / "a.yaml").write_text(VALID)
        (folder / "a.test.yaml").write_text(TESTS.replace("output: x", "output: y"))

        done = runner.run("Test")

        assert done.returncode == 1
        assert "<failure" in (runner.folder / "stepiq-tests.xml").read_text()

    def test_a_folder_without_tests_passes_with_a_notice(self, runner: Runner):
        folder = runner.folder / "pipelines"
        folder.mkdir()
        (folder / "a.yaml").write_text(VALID)

        done = runner.run("Test")

        assert (done.returncode, done.stdout.partition(" ")[0]) == (0, "::notice::The")


class TestComment:
    """The script that comments, with a program in place of GitHub's `gh`, which cannot run here."""

    @pytest.fixture
    def hub(self, runner: Runner) -> Runner:
        runner.inputs["github-token"] = "token"
        runner.add_program("gh", 'echo "$@" >> calls; case "$*" in *--jq*) cat id ;; esac')
        (runner.folder / "id").write_text("")
        return runner

    def test_the_first_run_adds_a_comment_with_the_differences(self, hub: Runner):
        (hub.folder / "stepiq.diff").write_text("--- a.yaml\n+++ a.yaml\n+x: `1`\n")

        done = hub.run("Comment")

        body = (hub.folder / "stepiq-comment.md").read_text()
        assert done.returncode == 0, done.stderr
        assert body.startswith(
            "<!-- stepiq diff pipelines -->\n### Changes of pipelines in `pipelines`\n"
        )
        assert "``````````diff\n--- a.yaml\n" in body
        assert (hub.folder / "calls").read_text().splitlines()[-1].startswith("api --silent repos/acme/flows/issues/7/comments --field body=@")  # fmt: skip

    def test_a_later_one_changes_it(self, hub: Runner):
        (hub.folder / "stepiq.diff").write_text("")
        (hub.folder / "id").write_text("42\n43\n")

        done = hub.run("Comment")

        assert done.returncode == 0, done.stderr
        assert "The server already has these pipelines." in (hub.folder / "stepiq-comment.md").read_text()  # fmt: skip
        assert "--method PATCH repos/acme/flows/issues/comments/42 " in (hub.folder / "calls").read_text()  # fmt: skip
