"""Which Python `scripts/bootstrap.sh` chooses, and what a second call does. The interpreters and uv are shell scripts, and nothing is installed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "cat", "cksum", "dirname", "grep", "id", "rm", "mkdir")
UV = """#!/bin/sh
case "$*" in
    "pip sync --help") echo --require-hashes ;;
    venv*) echo "$@" > chosen; mkdir -p .venv ;;
esac
"""


class Machine:
    """A folder of commands that is the whole `PATH`, and a copy of the script."""

    def __init__(self, folder: Path):
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in TOOLS:
            found = shutil.which(name)
            assert found is not None
            (self.bin / name).symlink_to(found)
        self._write(self.bin / "uv", UV)
        self.checkout = folder / "checkout"
        (self.checkout / "scripts").mkdir(parents=True)
        shutil.copy(ROOT / "scripts/bootstrap.sh", self.checkout / "scripts")
        for name in ("requirements.lock", "requirements-ui.lock", "pyproject.toml"):
            (self.checkout / name).touch()

    def python(self, name: str, version: str = "3.12") -> Path:
        """An interpreter that answers the two questions that the script asks."""
        is_supported = version in ("3.11", "3.12", "3.13", "3.14")
        path = self.bin / name
        self._write(
            path,
            f"""#!/bin/sh
            case "$2" in
                *version_info*) exit {int(not is_supported)} ;;
                *executable*) echo "Python {version} ({path})" ;;
            esac
            """,
        )
        return path

    @staticmethod
    def _write(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def bootstrap(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["scripts/bootstrap.sh", "runtime"],
            cwd=self.checkout,
            env={"PATH": str(self.bin), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def chosen(self, **environment: str) -> str:
        done = self.bootstrap(**environment)
        assert done.returncode == 0, done.stderr
        return (self.checkout / "chosen").read_text().split()[-2]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


class TestPython:
    def test_the_default_is_the_version_of_the_image(self, machine: Machine):
        image = re.search(r"BASE=python:(3\.\d+)", (ROOT / "Dockerfile").read_text())
        assert image is not None
        machine.python("python3")
        machine.python(f"python{image[1]}", image[1])

        assert machine.chosen() == f"python{image[1]}"

    def test_without_it_python3_comes_first(self, machine: Machine):
        machine.python("python3.11", "3.11")
        machine.python("python3")

        assert machine.chosen() == "python3"

    def test_an_unsupported_version_is_not_chosen(self, machine: Machine):
        machine.python("python3", "3.10")
        machine.python("python3.14", "3.14")

        assert machine.chosen() == "python3.14"

    def test_the_variable_selects_one(self, machine: Machine):
        machine.python("python3")
        other = machine.python("other")

        assert machine.chosen(PYTHON=str(other)) == str(other)

    def test_a_variable_that_names_no_supported_python_is_an_error(self, machine: Machine):
        machine.python("python3")

        refused = machine.bootstrap(PYTHON="/no/python")

        assert refused.returncode == 1
        assert refused.stderr.startswith("PYTHON is `/no/python`, which is not Python 3.11")
        assert "unset it" in refused.stderr
        assert not (machine.checkout / "chosen").exists()

    def test_it_prints_which_one_it_uses(self, machine: Machine):
        path = machine.python("python3", "3.13")

        assert f"Creating .venv with Python 3.13 ({path}) ..." in machine.bootstrap().stderr

    def test_without_python_it_prints_how_to_install_one(self, machine: Machine):
        refused = machine.bootstrap()

        assert refused.returncode == 1
        assert "apt-get install python3 python3-venv" in refused.stderr


def test_a_second_call_only_generates_the_client_library(machine: Machine):
    environment = machine.python("python3")
    (machine.checkout / ".venv/bin").mkdir(parents=True)
    (machine.checkout / ".venv/bin/python").symlink_to(environment)
    assert machine.bootstrap().returncode == 0
    environment.write_text('#!/bin/sh\necho "python $*"\n')
    (machine.bin / "uv").write_text('#!/bin/sh\necho "uv $*"\n')

    assert machine.bootstrap().stdout == "python scripts/generate_client.py\n"
