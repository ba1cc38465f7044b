"""Reads a folder of pipelines: `NAME.yaml` is the definition of the pipeline with the slug `NAME`."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stepiq.cli.output.console import UsageError
from stepiq.cli.pipelines.files import DEPLOY, files_of, kind_of
from stepiq.cli.remote.deployment.state import LocalPipeline, PipelineSettings, digest_of
from stepiq.core import ids
from stepiq.core.control_characters import escape_line
from stepiq.core.errors import Issue
from stepiq.language.documents.source import SourceFormat

if TYPE_CHECKING:
    from stepiq.language.definitions.compiled import Definition


@dataclass(frozen=True, slots=True)
class FileIssue:
    """A problem of a file."""

    file: str
    """Path of the file."""
    issue: Issue


@dataclass(frozen=True, slots=True)
class Folder:
    """The content of a folder."""

    pipelines: tuple[LocalPipeline, ...]
    errors: tuple[FileIssue, ...]
    """Deploy nothing if there are any."""


@dataclass(frozen=True, slots=True)
class _Found:
    slug: str
    definition: Path
    settings: Path | None


def read_folder(files: Sequence[Path], accepted: Mapping[str, str] | None = None) -> Folder:
    """Read and check the pipelines in the files of a folder.

    Args:
        files: from `pipeline_files`.
        accepted: for slugs, the digest of a text that the server has accepted. It is not checked again, so that a
            folder without changes is read quickly.
    """
    found, errors = _pairs(files)
    pipelines: list[LocalPipeline] = []
    for each in found:
        pipeline, issues = _read(each, (accepted or {}).get(each.slug))
        errors += issues
        if pipeline is not None:
            pipelines.append(pipeline)
    return Folder(tuple(pipelines), tuple(errors))


def pipeline_files(folder: Path) -> list[Path]:
    """The files of a folder that can be pipelines or belong to one, sorted by name. Folders in it are not read."""
    if not folder.is_dir():
        what = f"{folder} is a file" if folder.exists() else f"The folder {folder} does not exist"
        raise UsageError(f"{what}. Give the folder with the files of the pipelines.")
    return files_of(folder)


def slug_problem(slug: str) -> str | None:
    """Why the name of a file is no slug; None if it is one."""
    problem = ids.slug_problem(slug)
    if problem is None:
        return None
    near = re.sub(r"[^a-z0-9]+", "-", slug.lower()).strip("-")[:80].rstrip("-")
    new_name = f" to `{near}`" if near != slug and ids.is_slug(near) else ""
    return f"The name `{escape_line(slug[:100])}` is not a slug. {problem.message} Rename the file{new_name}."


def _pairs(files: Sequence[Path]) -> tuple[list[_Found], list[FileIssue]]:
    """The files of each pipeline."""
    errors: list[FileIssue] = []
    definitions = dict(_by_stem((each for each in files if kind_of(each) == ""), errors))
    settings = dict(_by_stem((each for each in files if kind_of(each) == DEPLOY), errors))
    for stem, file in settings.items():
        if stem not in definitions:
            message = f"This folder does not contain `{stem}.yaml`. Rename or delete this file."
            errors.append(FileIssue(str(file), Issue("", "pipeline_missing", message)))
    found: list[_Found] = []
    for stem, file in definitions.items():
        if problem := slug_problem(stem):
            errors.append(FileIssue(str(file), Issue("", "invalid_slug", problem)))
        else:
            found.append(_Found(stem, file, settings.get(stem)))
    return found, errors


def _by_stem(files: Iterable[Path], errors: list[FileIssue]) -> Iterator[tuple[str, Path]]:
    seen: dict[str, Path] = {}
    for file in files:
        stem = file.stem.removesuffix(DEPLOY)
        if stem in seen:
            message = f"{seen[stem].name} is the same pipeline. Delete one of the two files."
            errors.append(FileIssue(str(file), Issue("", "duplicate_file", message)))
        else:
            seen[stem] = file
            yield stem, file


def _read(found: _Found, accepted: str | None) -> tuple[LocalPipeline | None, list[FileIssue]]:
    text, errors = _text(found.definition)
    if text is None:
        return None, errors
    definition = None
    if found.settings is not None or digest_of(text) != accepted:
        from stepiq.language.definitions.loading import load

        loaded = load(text, format_of(found.definition))
        definition = loaded.definition
        errors += [FileIssue(str(found.definition), issue) for issue in loaded.errors]
    settings = PipelineSettings()
    if found.settings is not None:
        settings, issues = _settings(found.settings, definition)
        errors += issues
    name, text_format = found.definition.name, format_of(found.definition)
    return LocalPipeline(found.slug, name, text, text_format, settings), errors


def _settings(
    file: Path, definition: "Definition | None"
) -> tuple[PipelineSettings, list[FileIssue]]:
    from stepiq.cli.remote.deployment.deploy_files import read_settings

    text, errors = _text(file)
    if text is None:
        return PipelineSettings(), errors
    settings, issues = read_settings(text, format_of(file), definition)
    return settings, [FileIssue(str(file), issue) for issue in issues]


def format_of(file: Path) -> SourceFormat:
    """The format that the suffix of a file names."""
    return SourceFormat.JSON if file.suffix.lower() == ".json" else SourceFormat.YAML


def _text(file: Path) -> tuple[str | None, list[FileIssue]]:
    try:
        return file.read_bytes().decode(), []
    except OSError as error:
        message = f"The file cannot be read: {error.strerror}."
        return None, [FileIssue(str(file), Issue("", "unreadable", message))]
    except UnicodeDecodeError as error:
        message = f"The text is not UTF-8: byte {error.start + 1} cannot be read. Save it as UTF-8."
        return None, [FileIssue(str(file), Issue("", "not_utf8", message))]
