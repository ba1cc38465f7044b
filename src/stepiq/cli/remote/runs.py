"""`stepiq runs`: lists, shows, follows, cancels and retries runs of a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepiq.cli.output.console import (
    UsageError,
    local_time,
    print_block,
    print_json,
    print_rows,
    print_text,
    say,
    stderr_is_terminal,
)
from stepiq.cli.output.progress import (
    PlainProgress,
    ProgressLine,
    as_text,
    failure,
    make_progress,
    summary,
    tokens,
)
from stepiq.cli.remote import triggering
from stepiq.cli.remote.calling import everything, is_json, new_key, pipeline_path, run_path
from stepiq.cli.remote.triggering import are_json, definition_for, started
from stepiq.core.amounts import duration, ending, money
from stepiq.core.json import Json

if TYPE_CHECKING:
    from stepiq.client import AsyncClient

_STATUSES = ("pending", "running", "waiting", "completed", "failed", "cancelled")
_UNFINISHED = frozenset(_STATUSES[:3])


@dataclass(frozen=True, slots=True)
class WantedRuns:
    """Options of `stepiq runs list`."""

    pipeline: str | None = None
    """Slug or id."""
    statuses: Sequence[str] = ()
    tag: str | None = None
    error_code: str | None = None
    with_failures: bool = False
    limit: int = 20


@dataclass(frozen=True, slots=True)
class RetryChoice:
    """Options of `stepiq runs retry`."""

    start: str
    """`start`, `failed`, or the id of a step."""
    latest: bool
    """Use the newest version of the pipeline."""
    inputs: Sequence[str] = ()
    input_file: Path | None = None
    is_followed: bool = False
    seconds: float | None = None
    """Seconds to follow the new run. None is until it ends."""


async def show_list(client: "AsyncClient", wanted: WantedRuns) -> None:
    """Print runs, newest first."""
    for status in wanted.statuses:
        if status not in _STATUSES:
            raise UsageError(
                f"--status: `{status[:64]}` is not a status. Use {', '.join(_STATUSES)}."
            )
    found = await everything(
        client,
        "/api/runs",
        limit=wanted.limit,
        pipeline_id=await _pipeline_id(client, wanted.pipeline),
        status=wanted.statuses or None,
        tag=wanted.tag,
        error_code=wanted.error_code,
        with_failures=wanted.with_failures or None,
        include_data=False,
    )
    if is_json():
        print_json({"data": found})
        return
    headings = ("id", "pipeline", "status", "started by", "created", "took")
    print_rows(headings, [_cells(run) for run in found])
    if not found:
        say("No runs match.")


async def show(client: "AsyncClient", run_id: str) -> None:
    """Print a run with its steps and its output."""
    run = await triggering.run_of(client, run_id)
    if is_json():
        print_json(run)
        return
    print_text(f"{run['id']}  {run['pipeline_name']} v{run['pipeline_version']}")
    print_text(summary(run))
    if run["error"]:
        print_text(failure(run), color="red")
    print_text()
    headings = ("step", "status", "model", "tokens", "cost", "took")
    print_rows(headings, [_step_cells(step) for step in run["steps"]])
    for step in run["steps"]:
        # The error of the run is above.
        if step["error"] and step["error"]["message"] not in failure(run):
            print_text(f"{_label(step)}: {step['error']['message']}", color="red")
    if run["output"] is not None:
        print_block(f"\n{as_text(run['output'])}")


async def show_log(
    client: "AsyncClient", run_id: str, *, is_followed: bool, seconds: float | None
) -> dict[str, Any] | None:
    """Print the events of a run. Returns the run when it has ended, if it is followed."""
    is_followed = is_followed or seconds is not None
    path = run_path(run_id)
    if is_json() and not is_followed:
        print_json({"data": await everything(client, f"{path}/events")})
        return None
    if is_followed:
        return await triggering.follow(client, run_id, None if is_json() else _follower(), seconds)
    printed = PlainProgress(write=_to_stdout)
    for event in await everything(client, f"{path}/events"):
        printed.event(event["type"], event["data"])
    printed.close()
    run = (await client.request("GET", path, query={"steps": False})).json()
    if run["status"] in _UNFINISHED:
        say(f"The run is {run['status']}. To follow it, add -f.")
    return None


async def cancel(client: "AsyncClient", run_id: str) -> None:
    """Stop a run."""
    run = (await client.request("POST", f"{run_path(run_id)}/cancel")).json()
    if is_json():
        print_json(run)
    else:
        print_text(f"{run['id']}: {run['status']}")


async def retry(client: "AsyncClient", run_id: str, options: RetryChoice) -> dict[str, Any] | None:
    """Repeat a run as a new one. Returns the new run when it has ended, if it is followed."""
    body: dict[str, Any] = {
        "from": options.start,
        "version": "latest" if options.latest else "same",
    }
    if options.inputs or options.input_file is not None:
        body["input_data"] = await _input_of_retry(client, run_id, options)
    answer = await client.request(
        "POST", f"{run_path(run_id)}/retry", json=body, idempotency_key=new_key()
    )
    return await started(
        client, answer.json(), is_followed=options.is_followed, seconds=options.seconds
    )


async def _input_of_retry(
    client: "AsyncClient", run_id: str, options: RetryChoice
) -> dict[str, Json]:
    """The input file, or else the input of the run, with the changes of `--input`."""
    from stepiq.cli.pipelines.inputs import build_input

    if options.input_file is not None and are_json(options.inputs):
        return build_input(None, options.inputs, options.input_file)
    run = (await client.request("GET", run_path(run_id), query={"steps": False})).json()
    version = None if options.latest else run["pipeline_version"]
    path = pipeline_path(run["pipeline_id"])
    definition = await definition_for(client, options.inputs, path, version)
    return build_input(definition, options.inputs, options.input_file, run["input_data"])


def _follower() -> ProgressLine:
    """Live steps on a terminal. Otherwise lines on standard output, because they are what was asked for."""
    return make_progress() if stderr_is_terminal() else PlainProgress(write=_to_stdout)


def _to_stdout(text: str) -> None:
    print_block(text, newline=False)


async def _pipeline_id(client: "AsyncClient", pipeline: str | None) -> str | None:
    if pipeline is None:
        return None
    return str((await client.request("GET", pipeline_path(pipeline))).json()["id"])


def _cells(run: Mapping[str, Any]) -> list[str]:
    caller = run["caller"]["name"] if run["caller"] else None
    return [
        run["id"],
        run["pipeline_name"],
        _status(run),
        str(caller or run["trigger_type"]),
        local_time(run["created_at"]),
        _took(run),
    ]


def _status(run: Mapping[str, Any]) -> str:
    """The status of a run or a step, with the code of its error."""
    error = run["error"]
    if error:
        return f"{run['status']} ({error['code']})"
    return ending(str(run["status"]), run.get("failed_steps") or 0)


def _took(run: Mapping[str, Any]) -> str:
    from datetime import datetime

    if not (run["started_at"] and run["completed_at"]):
        return "-"
    ended, began = (datetime.fromisoformat(run[name]) for name in ("completed_at", "started_at"))
    return duration((ended - began).total_seconds() * 1_000)


def _label(step: Mapping[str, Any]) -> str:
    label = step["step_id"] + (f" [{step['branch']}]" if step["branch"] else "")
    return label if step["iteration"] == 1 else f"{label} #{step['iteration']}"


def _step_cells(step: Mapping[str, Any]) -> list[str]:
    count = step["input_tokens"] + step["output_tokens"]
    took = "-" if step["duration_ms"] is None else duration(step["duration_ms"])
    cost = money(step["cost_usd_micros"]) if count else "-"
    return [
        _label(step),
        _status(step),
        step["model"] or "-",
        tokens(count) if count else "-",
        cost,
        took,
    ]
