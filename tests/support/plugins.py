"""Packages with step types, installed for a test."""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stepiq.execution.handlers import handlers
from stepiq.language.definitions import step_fields
from stepiq.language.definitions.json_schema import document_text
from stepiq.language.definitions.step_types import imported, packages

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin"
_CACHES = (packages, imported, handlers, step_fields.homes, document_text)


def build_example(folder: Path) -> Path:
    """Build the wheel of the example, and unpack it as an installer does. Returns the folder to put on `sys.path`."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=EXAMPLE, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def write_package(folder: Path, name: str, step_type: str, **modules: str) -> None:
    """Install a package with these modules, which has a step type."""
    module = name.replace("-", "_")
    (folder / module).mkdir(parents=True)
    for each, source in {"__init__": "", **modules}.items():
        (folder / module / f"{each}.py").write_text(source)
    information = folder / f"{module}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[stepiq.steps]\n{step_type} = {module}\n")


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """Make the packages in a folder importable in this process, with their step types."""
    known = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        _forget()
        yield
    for name in set(sys.modules) - known:
        if (folder / name.partition(".")[0]).exists():
            del sys.modules[name]
    _forget()


def _forget() -> None:
    for cached in _CACHES:
        cached.cache_clear()
