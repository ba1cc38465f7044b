"""`stepiq apply` and `stepiq diff`."""

import asyncio
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stepiq.cli.output.console import (
    ExitCode,
    UsageError,
    can_ask,
    confirm,
    issue_data,
    issue_line,
    print_json,
    print_text,
    say,
)
from stepiq.cli.pipelines.files import DEPLOY, TESTS, kind_of
from stepiq.cli.remote.calling import is_json
from stepiq.cli.remote.deployment import output
from stepiq.cli.remote.deployment.apply import AT_ONCE, Deployment, Outcome
from stepiq.cli.remote.deployment.folder import FileIssue, Folder, pipeline_files, read_folder
from stepiq.cli.remote.deployment.output import ShownLine
from stepiq.cli.remote.deployment.plan import DeploymentPlan, PlannedChange, plan_changes
from stepiq.cli.remote.deployment.state import RemotePipeline, read_pipelines, read_text
from stepiq.cli.remote.failures import (
    ReportedFailure,
    exit_code_of,
    fail,
    in_commands,
    issue_of,
    reworded_issue,
)
from stepiq.core.control_characters import escape_line
from stepiq.core.errors import Conflict

MAX_LENGTH = 500
_SSH = re.compile(r"(?:[^@/\s]+@)?([^:/\s]+):(?!//)(.+)")
_GIT_SECONDS = 10


def source_of(folder: Path) -> str:
    """The repository and path of a folder, such as `github.com/acme/pipelines/flows`; without git, the folder's name.

    It is the same for all ways to clone a repository, and contains no user name, password or token.
    """
    absolute = folder.resolve()
    url = _git(absolute, "remote", "get-url", "origin")
    inside = _git(absolute, "rev-parse", "--show-prefix")
    repository = repository_name(url) if url else None
    if repository is None or inside is None:
        return absolute.name[:MAX_LENGTH] or "/"
    return "/".join(part for part in (repository, inside.strip("/")) if part)[:MAX_LENGTH]


def repository_name(url: str) -> str | None:
    """The host and path of a git URL without credentials; None if it is not one. A local path gives its last part."""
    if "://" not in url:
        found = _SSH.fullmatch(url)
        host, path = (found[1].lower(), found[2]) if found else ("", url)
    else:
        try:
            parts = urlsplit(url)
            host, path = (parts.hostname or "").lower(), parts.path
        except ValueError:
            return None
    path = path.strip("/").removesuffix(".git").strip("/")
    if not host:
        path = path.rpartition("/")[2]
    name = "/".join(part for part in (host, path) if part)
    return name or None


def _git(folder: Path, *arguments: str) -> str | None:
    """The output of git; None if it fails, for example outside of a repository."""
    # In the container of a CI job, the checkout often belongs to another user, and git then refuses to read it. These
    # commands only print values: they start no program that the configuration of the repository names.
    command = ["git", "-c", "safe.directory=*", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            command, capture_output=True, check=False, timeout=_GIT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


if TYPE_CHECKING:
    from stepiq.client import ApiError, AsyncClient

_INVALID = "files_invalid"
_VALIDATE = "/api/pipelines/validate"


class ManagedElsewhere(Conflict):
    """Pipelines of the folder are managed from another source."""

    code = "managed_elsewhere"

    def __init__(self, pipelines: Iterable[RemotePipeline]) -> None:
        listed = ", ".join(f"`{each.slug}` (from {each.source})" for each in pipelines)
        super().__init__(
            f"Another source manages {escape_line(listed)}. Nothing was changed. Rename the files, use the same"
            " --source, or add --take-over if this folder replaces the other source."
        )


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """Arguments and options of `stepiq apply`."""

    folder: Path
    source: str | None = None
    """None: determined from the folder."""
    prune: bool = False
    dry_run: bool = False
    is_confirmed: bool = False
    take_over: bool = False


@dataclass(frozen=True, slots=True)
class _Compared:
    folder: Folder
    remote: list[RemotePipeline]
    plan: DeploymentPlan


async def apply(client: "AsyncClient", request: ApplyRequest) -> None:
    """Print the plan, ask, and make the changes."""
    source = request.source or source_of(request.folder)
    compared = await _compare(client, request.folder, source, prune=request.prune)
    planned = compared.plan
    errors = [*compared.folder.errors, *await _checked_by_server(client, planned, request.folder)]
    if errors:
        _refuse(errors)
    if planned.elsewhere and not request.take_over:
        raise ManagedElsewhere(planned.elsewhere)
    if not is_json():
        output.show(output.plan_lines(planned))
    if request.dry_run or not planned.changes:
        if is_json():
            print_json(output.plan_data(planned, source) | {"applied": False})
        return
    if not request.is_confirmed and (is_json() or not can_ask()):
        raise UsageError(
            "A confirmation needs a terminal. Add --yes to make the changes,"
            " or --dry-run to see them."
        )
    if not request.is_confirmed and not confirm("Make these changes?"):
        fail(ReportedFailure(ExitCode.FAILED, "not_confirmed", "Nothing was changed."))
    outcomes = await _deploy(client, planned, source)
    _report(planned, outcomes, source)


async def diff(client: "AsyncClient", folder: Path, source: str | None) -> bool:
    """Print what `apply` would change, as text or JSON. Returns whether there are differences."""
    source = source or source_of(folder)
    compared = await _compare(client, folder, source, prune=False)
    planned = compared.plan
    errors = [*compared.folder.errors, *await _checked_by_server(client, planned, folder)]
    if errors:
        _refuse(errors)
    turns = asyncio.Semaphore(AT_ONCE)

    async def before(change: PlannedChange) -> str:
        if change.remote is None or not change.has_new_text:
            return ""
        async with turns:
            return await read_text(client, change.remote)

    texts = await asyncio.gather(*(before(change) for change in planned.changes))
    found = {
        change.slug: list(_differences(change, text))
        for change, text in zip(planned.changes, texts, strict=True)
    }
    if is_json():
        data = output.plan_data(planned, source)
        for change in data["changes"]:
            change["diff"] = "".join(f"{line.text}\n" for line in found[change["slug"]])
        print_json(data)
    else:
        for lines in found.values():
            output.show(iter(lines))
        for slug in planned.without_file:
            print_text(f"Only on the server: {slug}", color="yellow")
    return bool(planned.changes or planned.without_file)


async def _compare(client: "AsyncClient", folder: Path, source: str, *, prune: bool) -> _Compared:
    files = pipeline_files(folder)
    if not prune and all(kind_of(file) == TESTS for file in files):
        raise UsageError(
            f"{folder} contains no pipelines. Give a folder with files such as greeting.yaml,"
            " or create them with `stepiq pull`."
        )
    slugs = {file.stem for file in files if kind_of(file) == ""}
    has_settings = any(kind_of(file) == DEPLOY for file in files)
    remote = await read_pipelines(client, slugs, with_schedules=has_settings)
    accepted = {each.slug: each.digest for each in remote}
    found = read_folder(files, accepted)
    return _Compared(found, remote, plan_changes(found.pipelines, remote, source, prune=prune))


async def _checked_by_server(
    client: "AsyncClient", planned: DeploymentPlan, folder: Path
) -> list[FileIssue]:
    """The errors that the server finds in new texts. Prints its warnings."""
    from stepiq.client import BadRequestError, UnprocessableError

    turns = asyncio.Semaphore(AT_ONCE)

    async def check(change: PlannedChange) -> list[FileIssue]:
        local = change.local
        if local is None or not change.has_new_text:
            return []
        file = str(folder / local.file)
        body = {"slug": local.slug, "text": local.text, "format": local.format.value}
        try:
            async with turns:
                found = (await client.request("POST", _VALIDATE, json=body)).json()
        except (BadRequestError, UnprocessableError) as error:
            # Such as a slug that the server does not allow.
            return [FileIssue(file, issue_of(each)) for each in _problems(error)]
        for warning in found["warnings"]:
            say(f"warning  {issue_line(issue_of(warning), file)}")
        return [FileIssue(file, issue_of(error)) for error in found["errors"]]

    checked = await asyncio.gather(*(check(change) for change in planned.changes))
    return [issue for issues in checked for issue in issues]


def _problems(error: "ApiError") -> list[dict[str, Any]]:
    return error.errors or [{"path": "", "code": error.code, "message": error.message}]


async def _deploy(client: "AsyncClient", planned: DeploymentPlan, source: str) -> list[Outcome]:
    def announce(outcome: Outcome) -> None:
        if not is_json():
            _announce(outcome)

    return await Deployment(client, source, announce).apply(planned.changes)


def _announce(outcome: Outcome) -> None:
    slug = outcome.change.slug
    if outcome.error is not None:
        print_text(f"{slug}: failed", color="red")
        return
    version = f" (v{outcome.version})" if outcome.version is not None else ""
    print_text(f"{slug}: {output.done_word(outcome.change.action)}{version}")


def _report(planned: DeploymentPlan, outcomes: list[Outcome], source: str) -> None:
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    done = [outcome.change for outcome in outcomes if outcome.error is None]
    if is_json():
        versions = {each.change.slug: each.version for each in outcomes if each.error is None}
        data = output.plan_data(planned, source)
        for change in data["changes"]:
            change["applied"] = change["slug"] in versions
            change["version"] = versions.get(change["slug"])
        print_json(data | {"applied": not failed})
    else:
        print_text()
        print_text(f"Done: {output.counts_done(done)}.")
    if failed:
        left = len(planned.changes) - len(done)
        errors = [data for each in failed for data in _error_data(each)]
        message = (
            f"{left} of {len(planned.changes)} changes could not be completed. Correct the problem,"
            " then apply again: it continues where it stopped."
        )
        fail(ReportedFailure(_common_code(failed), "deployment_failed", message, errors=errors))


def _error_data(outcome: Outcome) -> Iterator[dict[str, Any]]:
    """Why a change failed, with each problem that the server lists."""
    error = outcome.error
    local = outcome.change.local
    file = outcome.change.slug if local is None else local.file
    yield {
        "file": file,
        "path": "",
        "code": getattr(error, "code", "unknown"),
        "message": in_commands(getattr(error, "message", str(error))),
    }
    for issue in getattr(error, "errors", ()):
        yield {"file": file, **reworded_issue(issue)}


def _common_code(failed: list[Outcome]) -> ExitCode:
    """The exit code of all failures, or that of a failure of any kind if they differ."""
    codes = {
        ExitCode.CONFLICT if isinstance(each.error, Conflict) else exit_code_of(each.error)
        for each in failed
        if each.error is not None
    }
    return codes.pop() if len(codes) == 1 else ExitCode.FAILED


def _differences(change: PlannedChange, before: str) -> Iterator[ShownLine]:
    local, remote = change.local, change.remote
    if local is None:
        return
    version = f"server, v{remote.version}" if remote is not None else "not on the server"
    if change.has_new_text:
        yield from output.unified(
            before, local.text, f"{local.file} ({version})", f"{local.file} (folder)"
        )
    settings = local.settings
    there = output.settings_of(remote, settings) if remote is not None else None
    old = output.settings_document(there) if there is not None else {}
    new = output.settings_document(settings)
    if old != new:
        from stepiq.pipelines.definitions.rendering import to_yaml

        name = f"{change.slug}.deploy.yaml"
        yield from output.unified(
            to_yaml(old) if old else "", to_yaml(new), f"{name} ({version})", f"{name} (folder)"
        )
    elif not change.has_new_text:
        for detail in output.change_details(change):
            yield ShownLine(f"{local.file}: {detail}", "yellow")


def _refuse(errors: Iterable[FileIssue]) -> None:
    # The server reports most errors of a file again.
    found = list(dict.fromkeys(errors))
    files = len({each.file for each in found})
    data = [{"file": each.file, **issue_data([each.issue])[0]} for each in found]
    what = "1 file is not valid" if files == 1 else f"{files} files are not valid"
    message = f"{what}. Nothing was changed on the server."
    fail(ReportedFailure(ExitCode.FAILED, _INVALID, message, errors=data))
