"""`stepiq pull`: writes the pipelines of a server into a folder."""

import asyncio
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepiq.cli.output.console import ExitCode, UsageError, can_ask, confirm, print_json
from stepiq.cli.pipelines.files import DEPLOY, SUFFIXES
from stepiq.cli.remote.calling import is_json
from stepiq.cli.remote.deployment.apply import AT_ONCE
from stepiq.cli.remote.deployment.folder import format_of, pipeline_files, slug_problem
from stepiq.cli.remote.deployment.output import ShownLine, settings_document, settings_of, show
from stepiq.cli.remote.deployment.state import (
    PipelineSettings,
    RemotePipeline,
    read_pipelines,
    read_text,
)
from stepiq.cli.remote.failures import ReportedFailure, fail
from stepiq.core.control_characters import escape_line
from stepiq.core.errors import Conflict, NotFound
from stepiq.language.documents.source import SourceFormat

if TYPE_CHECKING:
    from stepiq.client import AsyncClient


class PipelineMissing(NotFound):
    """The server has no pipeline with a slug of the command line."""

    code = "pipeline_not_found"


class ScheduleNameRepeated(Conflict):
    """Two schedules of a pipeline have the same name, which identifies them in a deploy file."""

    code = "schedule_name_repeated"


@dataclass(frozen=True, slots=True)
class PullRequest:
    """Arguments and options of the command."""

    folder: Path
    slugs: Sequence[str] = ()
    """Empty: all pipelines that are not archived."""
    is_confirmed: bool = False


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file to write or to delete."""

    path: Path
    before: bytes | None
    """None if it does not exist."""
    after: bytes | None
    """None to delete it."""


async def pull(client: "AsyncClient", request: PullRequest) -> None:
    """Write definitions and deploy files. Asks before it changes or deletes a file."""
    if request.folder.exists():
        pipeline_files(request.folder)
    remote = await _chosen(client, request.slugs)
    turns = asyncio.Semaphore(AT_ONCE)

    async def text_of(pipeline: RemotePipeline) -> str:
        async with turns:
            return await read_text(client, pipeline)

    texts = await asyncio.gather(*(text_of(pipeline) for pipeline in remote))
    changes = [
        change
        for pipeline, text in zip(remote, texts, strict=True)
        for change in _file_changes(request.folder, pipeline, text)
    ]
    if not is_json():
        show(_lines(changes, len(remote)))
    is_destructive = any(change.before is not None for change in changes)
    if is_destructive and not request.is_confirmed:
        _ask()
    _write(request.folder, changes)
    if is_json():
        print_json({"pipelines": len(remote), "files": [_data(change) for change in changes]})


async def _chosen(client: "AsyncClient", slugs: Sequence[str]) -> list[RemotePipeline]:
    there = await read_pipelines(client, (), with_schedules=True)
    by_slug = {each.slug: each for each in there}
    if missing := [slug for slug in slugs if slug not in by_slug]:
        listed = ", ".join(f"`{escape_line(slug[:100])}`" for slug in missing)
        raise PipelineMissing(f"The server has no pipeline {listed}. See `stepiq pipelines list`.")
    chosen = [by_slug[slug] for slug in dict.fromkeys(slugs)] if slugs else there
    # The names of files come from the server.
    return sorted(
        (each for each in chosen if slug_problem(each.slug) is None), key=lambda each: each.slug
    )


def _file_changes(folder: Path, pipeline: RemotePipeline, text: str) -> Iterator[FileChange]:
    suffixes = (".json",) if pipeline.format is SourceFormat.JSON else (".yaml", ".yml")
    yield from _replaced(folder, pipeline.slug, suffixes, text.encode())
    document = _settings(pipeline)
    content = None
    if document:
        from stepiq.pipelines.definitions.rendering import to_yaml

        content = to_yaml(document).encode()
    for change in _replaced(folder, f"{pipeline.slug}{DEPLOY}", SUFFIXES, content):
        if change.before is None or not _says(change.path, change.before, document):
            yield change


def _check_schedule_names(slug: str, settings: PipelineSettings) -> None:
    names = Counter(each.name for each in settings.schedules or ())
    repeated = next((name for name, count in names.items() if count > 1), None)
    if repeated is not None:
        raise ScheduleNameRepeated(
            f"The pipeline `{slug}` has several schedules with the name"
            f" `{escape_line(repeated[:64])}`. In a deploy file, names identify schedules. Rename or delete all"
            " but one of them, for example in the web interface. To pull other pipelines, name their slugs."
        )


def _replaced(
    folder: Path, stem: str, suffixes: Sequence[str], content: bytes | None
) -> Iterator[FileChange]:
    """Write the content to the existing file with one of the suffixes, or a new one, and delete all others."""
    there = [file for suffix in SUFFIXES if (file := folder / f"{stem}{suffix}").is_file()]
    usable = [file for file in there if file.suffix in suffixes]
    target = usable[0] if usable else folder / f"{stem}{suffixes[0]}"
    for file in there:
        if file != target:
            yield FileChange(file, file.read_bytes(), None)
    before = target.read_bytes() if target in there else None
    if before != content:
        yield FileChange(target, before, content)


def _settings(pipeline: RemotePipeline) -> dict[str, Any]:
    """The content of the deploy file; empty if the pipeline has nothing that belongs into one."""
    settings = settings_of(pipeline)
    _check_schedule_names(pipeline.slug, settings)
    document = settings_document(settings)
    return {name: value for name, value in document.items() if value}


def _says(file: Path, content: bytes, document: Mapping[str, Any]) -> bool:
    """Whether a deploy file already says this, for example with comments or in another order."""
    from stepiq.cli.remote.deployment.deploy_files import read_settings

    text = content.decode(errors="replace")
    settings, issues = read_settings(text, format_of(file), None)
    said = {name: value for name, value in settings_document(settings).items() if value}
    return not issues and _ordered(said) == _ordered(document)


def _ordered(document: Mapping[str, Any]) -> dict[str, Any]:
    schedules = sorted(document.get("schedules", ()), key=lambda each: str(each["name"]))
    return {**document, "schedules": schedules}


def _lines(changes: Sequence[FileChange], count: int) -> Iterator[ShownLine]:
    for change in changes:
        if change.before is None:
            yield ShownLine(f"+ {change.path}", "green")
        elif change.after is None:
            yield ShownLine(f"- {change.path}", "red")
        else:
            yield ShownLine(f"~ {change.path}", "yellow")
    files = f"{len(changes)} {'file differs' if len(changes) == 1 else 'files differ'}"
    yield ShownLine(f"{count} {'pipeline' if count == 1 else 'pipelines'}, {files}.")


def _ask() -> None:
    if is_json() or not can_ask():
        raise UsageError(
            "Existing files would change, and a confirmation needs a terminal."
            " Add --yes to overwrite them."
        )
    if not confirm("Overwrite these files?"):
        fail(ReportedFailure(ExitCode.FAILED, "not_confirmed", "No file was changed."))


def _write(folder: Path, changes: Sequence[FileChange]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for change in changes:
            if change.after is None:
                change.path.unlink(missing_ok=True)
            else:
                _write_file(change.path, change.after)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}.") from None


def _write_file(file: Path, content: bytes) -> None:
    """Replace a file as a whole, so that an interruption leaves the old or the new content."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
        mode = file.stat().st_mode if file.exists() else 0o666 & ~_umask()
        Path(name).chmod(mode & 0o777)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _data(change: FileChange) -> dict[str, Any]:
    action = "change"
    if change.before is None:
        action = "create"
    elif change.after is None:
        action = "delete"
    return {"file": str(change.path), "action": action}
