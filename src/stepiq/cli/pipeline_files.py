"""Finds the pipeline files of a folder."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from stepiq.cli.console import UsageError

SUFFIXES = (".yaml", ".yml", ".json")
"""Extensions of pipeline files."""
_TESTS = ".test"
_DEPLOYMENT = ".deploy"


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
    return list(dict.fromkeys(_expanded(paths, _TESTS, "files of tests, such as a.test.yaml")))


def _expanded(paths: Iterable[Path], kind: str, what: str) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = [file for file in _files(path) if _kind(file) == kind]
        if not found:
            raise UsageError(f"The folder {path} contains no {what}.")
        yield from found


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(
            file
            for file in folder.iterdir()
            if file.suffix.lower() in SUFFIXES and file.is_file() and not file.name.startswith(".")
        )
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be read: {error.strerror}.") from None


def _kind(file: Path) -> str:
    end = Path(file.stem).suffix
    return end if end in (_TESTS, _DEPLOYMENT) else ""
