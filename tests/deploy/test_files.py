"""Dockerfile, .dockerignore and compose.yaml: what a linter cannot know."""

import fnmatch
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from stepiq.core.settings.model import Settings, variable_name
from tests.docs.pages import blocks, read, section
from tests.support.containers import ROOT, compose, image

REQUIRED = ["POSTGRES_PASSWORD", "STEPIQ_MASTER_KEY", "STEPIQ_JWT_SECRET", "STEPIQ_METRICS_TOKEN"]
GIVEN: dict[str, str] = dict.fromkeys(REQUIRED, "given")
SETTINGS = {variable_name(field) for field in Settings.model_fields}


class TestLinters:
    @pytest.mark.parametrize(
        "command",
        [
            ["hadolint", "Dockerfile"],
            ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
        ],
    )
    def test_they_find_nothing(self, command: list[str]):
        program = Path(sys.executable).with_name(command[0])

        done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True)

        assert done.returncode == 0, done.stdout + done.stderr


class TestDockerfile:
    def test_nothing_runs_as_root(self):
        assert image().user not in ("root", "0")

    def test_it_installs_what_the_lock_file_names_with_hashes(self):
        *builds, _ = image().stages
        installs = [
            value
            for stage in builds
            for name, value in stage
            if name == "RUN" and " install " in value
        ]

        locks = [re.findall(r"requirements[\w-]*\.lock", each) for each in installs]
        assert locks == [["requirements-ui.lock"], ["requirements.lock"], []]
        assert all("--require-hashes" in each or "--no-deps" in each for each in installs)

    def test_it_names_no_host_but_the_images(self):
        text = (ROOT / "Dockerfile").read_text() + (ROOT / "compose.yaml").read_text()

        assert set(re.findall(r"\w+://[^\s'\"/{$]+", text)) <= {"http://127.0.0.1:", "http://localhost:8080}", "postgresql://stepiq:"}  # fmt: skip

    def test_the_images_are_named_by_exact_version(self):
        text = (ROOT / "Dockerfile").read_text() + (ROOT / "compose.yaml").read_text()

        bases = re.findall(r"ARG BASE=(\S+)", text)
        images = re.findall(r"image: (postgres\S+)", text)
        froms = [value.partition(" AS ")[0] for stage in image().stages for name, value in stage if name == "FROM"]  # fmt: skip
        # Only the web interface is built on the architecture of the machine.
        assert froms == ["--platform=$BUILDPLATFORM ${BASE}", "${BASE}", "${BASE}"]
        for each in (*bases, *images):
            assert re.fullmatch(r"\w+:\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?", each)
        assert len(bases) == len(images) == 1

    def test_its_settings_are_ones_that_there_are(self):
        ours = {name for name in image().environment if name.startswith("STEPIQ_")}

        assert ours <= SETTINGS

    def test_the_image_contains_no_node(self):
        (ui, build, final) = image().stages

        taken = [value for stage in (build, final) for name, value in stage if "--from=" in value]
        assert any(value.endswith(" AS ui") for _, value in ui)
        assert taken == [
            "--from=ui /src/src/stepiq/server/ui/dist /src/src/stepiq/server/ui/dist",
            "--from=build /opt/stepiq /opt/stepiq",
        ]
        assert "nodejs" not in (ROOT / "requirements.lock").read_text()

    @pytest.mark.slow
    @pytest.mark.smoke
    def test_what_it_copies_is_enough_to_build_all_of_stepiq(self, tmp_path: Path):
        source = tmp_path / "src"
        source.mkdir()
        for name in image().copied:
            path = ROOT / name
            if path.is_dir():
                # The build generates the modules of `sync`.
                skip = shutil.ignore_patterns("__pycache__", "node_modules", "sync")
                shutil.copytree(path, source / name, ignore=skip)
            else:
                (source / name).parent.mkdir(exist_ok=True)
                shutil.copy(path, source / name)

        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]  # fmt: skip
        projects = [source, source / "distributions" / "stepiq"]
        done = subprocess.run(
            [*pip, "--wheel-dir", tmp_path, *projects], capture_output=True, text=True
        )

        assert done.returncode == 0, done.stderr
        wheels = list(tmp_path.glob("*.whl"))
        assert len(wheels) == 2
        names = {name for wheel in wheels for name in zipfile.ZipFile(wheel).namelist()}
        tracked = {
            str(path.relative_to(ROOT / "src"))
            for path in (ROOT / "src").rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert tracked <= names
        assert {
            f"stepiq/{path.relative_to(ROOT)}" for path in (ROOT / "docs").rglob("*.md")
        } <= names
        assert {"stepiq/docs/SECURITY.md", "stepiq/skills/stepiq/SKILL.md"} <= names

    def test_the_builder_is_sent_that_and_no_more(self):
        lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]  # fmt: skip
        let_in = {line[1:] for line in lines if line[0] == "!"}

        assert lines[0] == "*"
        assert let_in == set(image().copied)
        assert {"src/stepiq/server/ui/dist", "**/node_modules"} <= set(lines)
        assert not any(fnmatch.fnmatch(".env", each) for each in let_in)

    @pytest.mark.parametrize("name", [".env", ".env.local", "stepiq.env", "src/.env"])
    def test_files_with_keys_reach_neither_git_nor_the_builder(self, name: str):
        ignored = [line.removeprefix("**/") for line in (ROOT / ".dockerignore").read_text().splitlines()]  # fmt: skip
        git = (ROOT / ".gitignore").read_text().splitlines()

        for patterns in (ignored[ignored.index("!examples") :], git):
            assert any(fnmatch.fnmatch(Path(name).name, each) for each in patterns)


class TestCompose:
    def test_it_does_not_start_without_keys(self):
        for missing in GIVEN:
            with pytest.raises(KeyError, match=missing):
                compose({name: value for name, value in GIVEN.items() if name != missing})

    def test_docs_make_every_variable_that_it_insists_on(self, tmp_path: Path):
        script = blocks(read("docs/docker.md"), "sh")[0]

        subprocess.run(["sh", "-eu", "-c", script], cwd=tmp_path, check=True)

        made = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())
        assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
        assert compose(made)["services"]["api"]["environment"]["STEPIQ_MASTER_KEY"]

    def test_its_settings_are_ones_that_there_are(self):
        for service in compose(GIVEN)["services"].values():
            ours = {name for name in service["environment"] if name.startswith("STEPIQ_")}
            assert ours <= SETTINGS

    def test_a_stopped_container_has_longer_than_a_worker_takes(self):
        from stepiq.server.process import DRAIN
        from tests.support.containers import seconds

        for name in ("api", "worker"):
            grace = compose(GIVEN)["services"][name]["stop_grace_period"]
            assert seconds(grace) >= DRAIN.total_seconds() + 10

    def test_every_command_that_docs_show_is_there(self):
        services = set(compose(GIVEN)["services"])
        shown = section(read("docs/docker.md"), "## Backups")

        called = re.findall(
            r"docker compose (?:run|stop|exec)((?: --\S+(?: \"[^\"]+\")?)*) (\w+)", shown
        )
        assert called
        assert {service for _, service in called} <= services
