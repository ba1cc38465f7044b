"""`stepiq pipelines list` and `stepiq trigger`: lists pipelines of a server, starts runs, and shows a run while it runs."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepiq.cli.output.console import (
    ExitCode,
    UsageError,
    local_time,
    print_json,
    print_output,
    print_rows,
    print_text,
    say,
    this_command,
)
from stepiq.cli.output.progress import ProgressLine, as_text, failure, make_progress, summary
from stepiq.cli.remote.calling import everything, is_json, new_key, pipeline_path, run_path
from stepiq.cli.remote.failures import ReportedFailure, fail
from stepiq.core.errors import Unavailable
from stepiq.core.json import Json

if TYPE_CHECKING:
    from stepiq.client import AsyncClient
    from stepiq.language.definitions.compiled import Definition


@dataclass(frozen=True, slots=True)
class TriggerRequest:
    """Arguments and options of the command."""

    pipeline: str
    """Slug or id."""
    inputs: Sequence[str] = ()
    input_file: Path | None = None
    version: int | None = None
    """None is the newest one."""
    idempotency_key: str | None = None
    """None is a new one."""
    is_followed: bool = False
    seconds: float | None = None
    """Seconds to follow the run. None is until it ends."""


async def trigger(client: "AsyncClient", request: TriggerRequest) -> dict[str, Any] | None:
    """Start a run. Returns the run that has ended if it was followed."""
    from stepiq.client.requests import is_idempotency_key

    key = request.idempotency_key
    if key is not None and not is_idempotency_key(key):
        raise UsageError(
            "--idempotency-key must have 1 to 255 visible ASCII characters. Spaces are not allowed."
        )
    path = pipeline_path(request.pipeline)
    body: dict[str, Any] = {"input_data": await _input(client, request, path)}
    if request.version is not None:
        body["version"] = request.version
    answer = await client.request(
        "POST",
        f"{path}/run",
        # Without it, the server would wait for the end of a pipeline with an `api` target.
        query={"wait": 0},
        json=body,
        idempotency_key=new_key() if key is None else key,
    )
    return await started(
        client, answer.json(), is_followed=request.is_followed, seconds=request.seconds
    )


async def started(
    client: "AsyncClient", run: dict[str, Any], *, is_followed: bool, seconds: float | None
) -> dict[str, Any] | None:
    """Follow a run that has been started, if it is followed or for some seconds. Otherwise, print it."""
    run_id = str(run["id"])
    if not is_followed and seconds is None:
        if is_json():
            print_json(run)
        else:
            print_text(run_id)
            say(f"The run has started. To see it: {this_command()} runs logs -f {run_id}")
        return None
    if not is_json():
        say(f"Run {run_id}")
    return await follow(client, run_id, None if is_json() else make_progress(), seconds)


async def _input(client: "AsyncClient", request: TriggerRequest, path: str) -> dict[str, Json]:
    from stepiq.cli.pipelines.inputs import build_input

    definition = await definition_for(client, request.inputs, path, request.version)
    return build_input(definition, request.inputs, request.input_file)


def are_json(pairs: Sequence[str]) -> bool:
    """Whether all pairs are `name:=value`. Only the pipeline knows whether the 3 of `count=3` is a number or a text."""
    return all(pair.partition("=")[0].endswith(":") for pair in pairs)


async def definition_for(
    client: "AsyncClient", pairs: Sequence[str], path: str, version: int | None
) -> "Definition | None":
    """The definition with which `build_input` reads the pairs. None if they need none, or if the key cannot read it.

    Args:
        client: calls the server.
        pairs: the options `--input`.
        path: of the pipeline.
        version: the version that the run will execute. None is the newest one.
    """
    from stepiq.client import PermissionDeniedError
    from stepiq.language.definitions.loading import load_document

    if are_json(pairs):
        return None
    if version is not None:
        path += f"/versions/{version}"
    try:
        found = (await client.request("GET", path)).json()
    except PermissionDeniedError:
        return None
    # A step type that only the server has makes it invalid here. Then all values are texts.
    return load_document(found["definition"]).definition


_COMPLETED = "completed"


class FollowTimeout(Unavailable):
    """A followed run has not ended within `--timeout`. It continues."""

    code = "follow_timeout"


async def follow(
    client: "AsyncClient", run_id: str, progress: ProgressLine | None, seconds: float | None
) -> dict[str, Any]:
    """Show the events of a run until it ends, and return the run with its steps.

    The stream connects again after an interruption. If this is cancelled, for example with Ctrl-C, the run continues.
    """
    continues = (
        f"The run continues on the server. To see it: {this_command()} runs logs -f {run_id}"
    )
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            await show_events(client, run_id, progress)
        return await run_of(client, run_id)
    except asyncio.CancelledError:
        say(continues)
        raise
    except TimeoutError:
        if not limit.expired():
            raise
        message = f"The run has not ended within {seconds:g} seconds. {continues}"
        raise FollowTimeout(message) from None


async def show_events(client: "AsyncClient", run_id: str, progress: ProgressLine | None) -> None:
    """Show the events of a run until it ends."""
    try:
        async for event in client.runs.stream(run_id):
            if progress is not None:
                data = event.model_dump(mode="json", exclude_unset=True)["data"]
                progress.event(event.type, data)
                if event.type == "review.requested":
                    progress.close()
                    _say_review(client.url, run_id, data)
    finally:
        if progress is not None:
            progress.close()


async def run_of(client: "AsyncClient", run_id: str) -> dict[str, Any]:
    """A run with its steps."""
    return (await client.request("GET", run_path(run_id))).json()


def show_end(run: Mapping[str, Any] | None) -> None:
    """Print a run that has ended: its output to standard output, the rest to standard error. Without a run, nothing."""
    if run is None:
        return
    if is_json():
        print_json(run)
    elif run["status"] == _COMPLETED:
        say()
        print_output(as_text(run["output"]))
        say(summary(run))
    else:
        say()
        say(summary(run))
    if run["status"] != _COMPLETED:
        code = run["error"]["code"] if run["error"] else f"run_{run['status']}"
        fail(ReportedFailure(ExitCode.FAILED, code, failure(run)))


def _say_review(server: str, run_id: str, data: Mapping[str, Any]) -> None:
    step = data["step_id"]
    say(
        f"  {step} waits for a review by a person. Decide it on {server}/runs/{run_id}"
        f" or with: {this_command()} reviews approve {run_id} {step}"
    )


async def show_pipelines(
    client: "AsyncClient", text: str | None, *, status: str | None, tag: str | None
) -> None:
    """Print pipelines, newest first."""
    found = await everything(
        client, "/api/pipelines", q=text, status=status, tag=tag, include_definition=False
    )
    if is_json():
        print_json({"data": found})
        return
    headings = ("slug", "name", "version", "status", "managed by", "last run")
    print_rows(headings, [_cells(pipeline) for pipeline in found])
    if not found:
        say("No pipelines match.")


def _cells(pipeline: Mapping[str, Any]) -> list[str]:
    run = pipeline["last_run"]
    last = f"{run['status']}, {local_time(run['created_at'])}" if run else "-"
    owner = f"git: {pipeline['source'] or '?'}" if pipeline["managed_by"] else "-"
    return [
        pipeline["slug"],
        pipeline["name"],
        f"v{pipeline['version']}",
        pipeline["status"],
        owner,
        last,
    ]
