"""Finds the pipeline files of a folder."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from stepiq.cli.output.console import UsageError

SUFFIXES = (".yaml", ".yml", ".json")
"""Extensions of pipeline files."""
TESTS = ".test"
"""The kind of a file of tests, such as `a.test.yaml`."""
DEPLOY = ".deploy"
"""The kind of a deploy file, such as `a.deploy.yaml`."""


def pipelines_in(paths: Iterable[Path]) -> list[Path]:
    """The given files, and the pipeline files in the given folders, but not in their subfolders. Without duplicates.

    Raises:
        UsageError: a folder has none.
    """
    return list(dict.fromkeys(_expanded(paths, "", "pipelines")))


def tested_in(paths: Iterable[Path]) -> list[Path]:
    """The given files, and the test files in the given folders, but not in their subfolders. Without duplicates.

    Raises:
        UsageError: a folder has none.
    """
    return list(dict.fromkeys(_expanded(paths, TESTS, "files of tests, such as a.test.yaml")))


def files_of(folder: Path) -> list[Path]:
    """The files of a folder that can be pipelines or belong to one, sorted by name. Folders in it are not read.

    Raises:
        UsageError: the folder cannot be read.
    """
    try:
        return sorted(
            file
            for file in folder.iterdir()
            if file.suffix.lower() in SUFFIXES and file.is_file() and not file.name.startswith(".")
        )
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be read: {error.strerror}.") from None


def kind_of(file: Path) -> str:
    """`TESTS`, `DEPLOY`, or nothing for a definition."""
    end = Path(file.stem).suffix
    return end if end in (TESTS, DEPLOY) else ""


def _expanded(paths: Iterable[Path], kind: str, what: str) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = [file for file in files_of(path) if kind_of(file) == kind]
        if not found:
            raise UsageError(f"The folder {path} contains no {what}.")
        yield from found
