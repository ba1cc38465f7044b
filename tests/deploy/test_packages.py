"""The packages of a release: what they contain, and that they install and work without make, Node and this checkout."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_string
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scripts import build_release
from stepiq import __version__
from tests.support.containers import ROOT
from tests.support.local_model import CACHE, needs_local_model
from tests.support.pace import slowness
from tests.support.ports import free_port
from tests.support.run_folders import shared

PIPELINE = "name: Greeting\nsteps: [{id: greet, type: transform, template: Hello}]\n"
SHARED = {
    "accounts/__init__.py", "accounts/audit/__init__.py", "accounts/audit/actions.py",
    "execution/__init__.py", "execution/outcomes.py",
    "pipelines/__init__.py", "pipelines/records.py", "pipelines/definitions/__init__.py",
    "pipelines/definitions/checking.py", "pipelines/definitions/rendering.py",
    "server/__init__.py", "server/docs/__init__.py", "server/docs/guides.py",
    "store/__init__.py", "store/states.py",
}  # fmt: skip
"""What stepiq-slim contains of the packages that stepiq contains."""
WORKING = {
    "--version": f"stepiq {__version__}",
    f"validate {ROOT / 'examples'}": "10 valid, 0 invalid",
    "docs ci": "# Pipelines in CI",
    "schema tests": '"$schema"',
    "schema deploy": '"$schema"',
    "models": "Steps without a model fail.",
    "init new.yaml": "new.test.yaml",
}
"""Commands that need no server, and a text that they print."""
NEEDING_THE_SERVER = ("serve", "demo", "doctor", "run x.yaml", "test x.yaml", "users list", "keys rotate", "dev fake-provider")  # fmt: skip
MOST_BYTES = 125_000_000
"""Enough for Python 3.13 too, for which uvloop is 2.4 MB larger than for 3.11."""
MOST_SECONDS = 0.5


@dataclass
class Environment:
    """A virtual environment with packages of the release, outside of this checkout."""

    folder: Path

    @property
    def site_packages(self) -> Path:
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("STEPIQ_", "PYTHON", "COV"))}  # fmt: skip
        return subprocess.Popen(
            [self.folder / "bin" / "stepiq", *arguments],
            cwd=self.folder,
            env=ours | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **variables)
        out, err = process.communicate()
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def install(folder: Path, *wheels: Path, compiled: bool) -> None:
    """Install wheels with the versions of the lock file. Uses uv if it is there, since it takes a tenth of the time.

    Args:
        folder: the virtual environment.
        wheels: the packages of the release.
        compiled: compile all modules now, and not at their first import.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (folder / "constraints.txt").write_text(build_release.constraints())
    uv = next(filter(os.path.exists, [str(Path(sys.executable).with_name("uv")), shutil.which("uv") or ""]), None)  # fmt: skip
    python = folder / "bin" / "python"
    if uv:
        # pip always compiles.
        how = ["--compile-bytecode"] if compiled else ["--link-mode", "symlink"]
        command = [uv, "pip", "install", "--quiet", *how, "--python", python]
    else:
        command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]  # fmt: skip
    subprocess.run([*command, "--constraint", folder / "constraints.txt", *wheels], check=True)


def install_whole(folder: Path, *wheels: Path) -> None:
    """Install wheels, and use what this environment has compiled of the same files, which takes seconds of CPU."""
    install(folder, *wheels, compiled=False)
    ours, theirs = Path(sysconfig.get_path("purelib")), Environment(folder).site_packages
    for cache in ours.rglob("__pycache__"):
        package = theirs / cache.parent.relative_to(ours)
        # Python compiles a file again if its time or size is different.
        if package.is_dir():
            shutil.copytree(cache, package / cache.name, dirs_exist_ok=True)


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder with the sdists and wheels, built once for all test processes. An npm that is called for them fails."""

    def build(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("npm_config_offline", "true")
            patch.setenv("npm_config_cache", str(folder / "npm"))
            build_release.build(folder)

    return shared("packages", build)


@pytest.fixture(scope="session")
def slim(built: Path) -> Environment:
    wheels = built.glob("stepiq_slim-*.whl")
    return Environment(shared("slim", lambda folder: install(folder, *wheels, compiled=True)))


@pytest.fixture(scope="session")
def whole(built: Path) -> Environment:
    return Environment(shared("whole", lambda folder: install_whole(folder, *built.glob("*.whl"))))


def contents(built: Path, name: str) -> set[str]:
    (wheel,) = built.glob(f"{name}-*.whl")
    return {each for each in zipfile.ZipFile(wheel).namelist() if each.startswith("stepiq/")}


def metadata(built: Path, name: str) -> str:
    (wheel,) = built.glob(f"{name}-*.whl")
    packed = zipfile.ZipFile(wheel)
    (found,) = (each for each in packed.namelist() if each.endswith(".dist-info/METADATA"))
    return packed.read(found).decode()


pytestmark = [pytest.mark.slow, pytest.mark.one_store]


class TestContents:
    def test_the_web_interface_is_inside_and_node_is_not(self, built: Path):
        names = contents(built, "stepiq")

        assert "stepiq/server/ui/dist/index.html" in names
        assert any(name.startswith("stepiq/server/ui/dist/assets/") for name in names)
        assert not any("node_modules" in name for name in names)

    @pytest.mark.smoke
    def test_every_file_is_in_one_of_the_wheels(self, built: Path):
        slim, server = contents(built, "stepiq_slim"), contents(built, "stepiq")
        sources = {
            path.relative_to(ROOT / "src").as_posix()
            for path in (ROOT / "src").rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

        assert slim & server == set()
        assert sources <= slim | server

    def test_a_module_never_moves_to_the_slim_wheel(self, built: Path):
        """During an upgrade, pip installs the new stepiq-slim first, and then deletes the files of the old stepiq."""
        of_server = {name.split("/")[1] for name in contents(built, "stepiq")}
        shared = {
            name.partition("/")[2]
            for name in contents(built, "stepiq_slim")
            if name.split("/")[1] in of_server
        }

        assert shared == SHARED

    def test_each_has_its_own_description_without_relative_links(self, built: Path):
        """PyPI shows the descriptions. Relative links would not work there."""
        described = [message_from_string(metadata(built, name)) for name in ("stepiq", "stepiq_slim")]  # fmt: skip

        assert len({each["Summary"] for each in described}) == 2
        for each in described:
            text = str(each.get_payload())
            assert text.startswith(f"# {'stepIQ' if each['Name'] == 'stepiq' else each['Name']}\n")
            assert re.findall(r"\]\((?!https://)[^)]*\)", text) == []

    def test_building_again_gives_the_same_bytes(self, built: Path, tmp_path: Path):
        again = build_release.build(tmp_path)

        assert len(again) == 4
        assert [path.name for path in again if path.read_bytes() != (built / path.name).read_bytes()] == []  # fmt: skip


class TestSlim:
    def test_it_is_small(self, slim: Environment):
        files = [path for path in slim.site_packages.rglob("*") if path.is_file()]

        assert sum(path.stat().st_size for path in files) < MOST_BYTES

    def test_no_library_of_the_server_is_there(self, slim: Environment):
        groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
        named = [re.split(r"[^\w.-]", each)[0] for name in ("server", "local") for each in groups[name]]  # fmt: skip
        there = {path.name.split("-")[0].lower().replace("_", "-") for path in slim.site_packages.glob("*.dist-info")}  # fmt: skip

        # Others need these.
        assert there & set(named) <= {"httpcore2", "markdown-it-py"}

    def test_the_library_needs_httpx_and_pydantic_only(self, slim: Environment):
        code = (
            "import sys, stepiq.client;"
            "print(*sorted({name.partition('.')[0] for name in sys.modules} & set(sys.argv[1:])))"
        )
        others = ["typer", "rich", "yaml", "jsonschema_rs", "cel_expr_python", "genai_prices", "pydantic_settings"]  # fmt: skip
        python = [slim.folder / "bin" / "python", "-c", code, "httpx2", *others]

        assert subprocess.check_output(python, cwd=slim.folder, text=True) == "httpx2\n"

    def test_validate_is_fast(self, slim: Environment):
        file = slim.folder / "fast.yaml"
        file.write_text((ROOT / "examples" / "support_triage.yaml").read_text())
        # CPU time, because other tests use the same processors. They also share their caches, so some calls are slow.
        seconds = (self.seconds_of_validating(slim, file) for _ in range(10))
        assert any(each < MOST_SECONDS * slowness() for each in seconds)

    def seconds_of_validating(self, slim: Environment, file: Path) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = slim.run("validate", str(file))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def test_what_needs_no_server_works(self, slim: Environment):
        for command, shown in WORKING.items():
            done = slim.run(*command.split())

            assert done.returncode == 0, (command, done.stderr)
            assert shown in done.stdout + done.stderr

    def test_what_needs_the_server_says_how_to_install_it(self, slim: Environment):
        for command in NEEDING_THE_SERVER:
            done = slim.run(*command.split())

            name = f"stepiq {command.removesuffix(' x.yaml')}"
            assert done.returncode == 2
            assert done.stderr == (
                f"Error: `{name}` needs the server, but only the package stepiq-slim is installed. "
                f"Install the server: {slim.folder}/bin/python -m pip install stepiq=={__version__} "
                "If pip does not find this version, build it as `stepiq docs installation` describes.\n"
            )


@needs_local_model
class TestWhole:
    @pytest.mark.timeout(600)
    def test_the_demo_completes_and_the_slim_package_deploys_to_its_server(
        self, whole: Environment, slim: Environment
    ):
        folder = whole.folder / "data"
        variables = {"STEPIQ_DATA_DIR": str(folder), "STEPIQ_CACHE_DIR": str(CACHE)}

        done = whole.run("demo", **variables)

        assert done.returncode == 0, done.stderr
        assert "completed" in done.stderr + done.stdout
        with serving(whole, **variables) as url:
            assert "<!doctype html>" in httpx2.get(url, timeout=30).text.lower()
            login = json.loads((folder / "demo-login.json").read_text())
            key = create_key(url, login)
            pipelines = slim.folder / "pipelines"
            pipelines.mkdir()
            (pipelines / "greeting.yaml").write_text(PIPELINE)
            remote = {"STEPIQ_SERVER": url, "STEPIQ_API_KEY": key}
            commands = ["diff pipelines", "apply pipelines --yes", "pull pulled", "trigger greeting --follow", "runs list"]  # fmt: skip
            for command in commands:
                done = slim.run(*command.split(), **remote)
                assert done.returncode == 0, (command, done.stdout, done.stderr)
            assert (slim.folder / "pulled" / "greeting.yaml").read_text() == PIPELINE


@contextmanager
def serving(environment: Environment, **variables: str) -> Iterator[str]:
    """Run `stepiq serve` of an environment, and give its URL."""
    url = f"http://127.0.0.1:{free_port()}"
    process = environment.start("serve", "--port", url.rpartition(":")[2], STEPIQ_LOG_FORMAT="json", **variables)  # fmt: skip
    try:
        wait_until_ready(url, process)
        yield url
    finally:
        process.terminate()
        process.communicate()


def wait_until_ready(url: str, process: subprocess.Popen[str]) -> None:
    while process.poll() is None:
        try:
            if httpx2.get(f"{url}/ready").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(process.communicate())


def create_key(url: str, login: dict[str, Any]) -> str:
    token = httpx2.post(f"{url}/api/auth/login", json=login, timeout=30).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    made = httpx2.post(
        f"{url}/api/user/api-keys", json={"name": "slim"}, headers=headers, timeout=30
    )
    return made.json()["key"]
