"""Shows a run of a server while it runs, as `stepiq run` shows a run of this machine."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stepiq.cli.output.console import ExitCode, print_json, print_output, say, this_command
from stepiq.cli.output.progress import ProgressLine, as_text, failure, summary
from stepiq.cli.remote.calling import run_path
from stepiq.cli.remote.failures import ReportedFailure, fail
from stepiq.core.errors import Unavailable

if TYPE_CHECKING:
    from stepiq.client import AsyncClient

_COMPLETED = "completed"


class FollowTimeout(Unavailable):
    """A followed run has not ended within `--timeout`. It continues."""

    code = "follow_timeout"


async def follow(
    client: "AsyncClient", run_id: str, progress: ProgressLine | None, seconds: float | None
) -> dict[str, Any]:
    """Show the events of a run until it ends, and return the run with its steps.

    The stream connects again after an interruption. If this is cancelled, for example with Ctrl-C, the run continues.

    Raises:
        FollowTimeout: the run has not ended after `seconds`.
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


def show_end(run: Mapping[str, Any] | None, *, as_json: bool) -> None:
    """Print a run that has ended: its output to standard output, the rest to standard error. Without a run, nothing.

    Raises:
        typer.Exit: the run did not complete.
    """
    if run is None:
        return
    if as_json:
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
        fail(ReportedFailure(ExitCode.FAILED, code, failure(run)), as_json=as_json)


def _say_review(server: str, run_id: str, data: Mapping[str, Any]) -> None:
    step = data["step_id"]
    say(
        f"  {step} waits for a review by a person. Decide it on {server}/runs/{run_id}"
        f" or with: {this_command()} reviews approve {run_id} {step}"
    )
