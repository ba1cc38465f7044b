"""What `make release` checks before it builds, its list of constraints, and the list of npm packages."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts import build_release
from tests.docs.pages import read
from tests.support.containers import ROOT

VERSION = build_release.version()


class TestProblems:
    def test_this_source_tree_has_none(self):
        assert build_release.problems(VERSION, read("CHANGELOG.md"), [f"v{VERSION}"]) == []

    @pytest.mark.parametrize(
        ("changelog", "tags", "problem"),
        [
            ("## [1.0.0] - 2026-11-27\n", ["v1.0.1"], "tag v1.0.1"),
            ("## [1.0.0]\n", [], "CHANGELOG.md"),
            ("## [Unreleased]\n", [], "CHANGELOG.md"),
            ("## [Unreleased]\n\n## [0.9.0] - 2026-11-27\n\n## [1.0.0] - 2026-01-01\n", [], "CHANGELOG.md"),
        ],
    )  # fmt: skip
    def test_other_trees_have_some(self, changelog: str, tags: list[str], problem: str):
        (found,) = build_release.problems("1.0.0", changelog, tags)

        assert problem in found

    def test_files_that_are_not_committed_are_listed(self):
        (found,) = build_release.problems(VERSION, read("CHANGELOG.md"), [], "?? src/new.py")

        assert found == "Files differ from the commit. Commit or remove them first:\n?? src/new.py"


def _git(status: str) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Executes git commands in a repository with this status and no tag."""

    def run(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        output = status if command[1] == "status" else ""
        return subprocess.CompletedProcess(command, 0, output, "")

    return run


class TestMain:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The folder of the packages. The repository has no changes and no tag, and builds nothing."""
        monkeypatch.setattr(sys, "argv", ["build_release.py", str(tmp_path)])
        monkeypatch.setattr(subprocess, "run", _git(""))
        monkeypatch.setattr(build_release, "build", lambda _: [])
        return tmp_path

    @pytest.mark.parametrize("name", ["stepiq-0.0.9-py3-none-any.whl", "stepiq-0.0.9.tar.gz"])
    def test_a_folder_with_packages_is_refused(self, name: str, folder: Path, capsys: pytest.CaptureFixture[str]):  # fmt: skip
        (folder / name).touch()

        assert build_release.main() == 1
        assert capsys.readouterr().err == f"{folder} already contains packages. Delete them first.\n"  # fmt: skip
        assert [path.name for path in folder.iterdir()] == [name]

    def test_a_tree_with_changes_is_refused(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ):
        monkeypatch.setattr(subprocess, "run", _git(" M Makefile"))

        assert build_release.main() == 1
        assert "M Makefile" in capsys.readouterr().err
        assert list(folder.iterdir()) == []

    def test_the_locked_versions_are_written_as_constraints(self, folder: Path):
        assert build_release.main() == 0

        written = (folder / "constraints.txt").read_text().splitlines()
        locked = [line.split()[0] for line in read("requirements.lock").splitlines() if "==" in line]  # fmt: skip
        assert written == locked


@pytest.mark.slow
class TestWebInterfacePackages:
    def test_they_are_those_of_the_lock_file_that_are_not_for_development(self, tmp_path: Path):
        first, second = made(tmp_path / "1.json"), made(tmp_path / "2.json")

        locked = json.loads((ROOT / "ui" / "package-lock.json").read_text())["packages"]
        needed = {
            (path.rpartition("node_modules/")[2], package["version"])
            for path, package in locked.items()
            if path and not package.get("dev")
        }
        wanted = json.loads((ROOT / "ui" / "package.json").read_text())["dependencies"]
        listed = {(name_of(each), each["version"]) for each in json.loads(first)["components"]}
        assert listed == needed
        assert set(wanted) <= {name for name, _ in listed}
        assert first == second


def made(file: Path) -> bytes:
    subprocess.run([sys.executable, ROOT / "scripts" / "ui_sbom.py", file], check=True)
    return file.read_bytes()


def name_of(component: dict[str, Any]) -> str:
    group = component.get("group")
    return f"{group}/{component['name']}" if group else component["name"]
