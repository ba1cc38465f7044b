"""`stepiq pipelines list`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stepiq.cli.output.console import print_json, say
from stepiq.cli.output.tables import local_time, print_rows
from stepiq.cli.remote.calling import everything

if TYPE_CHECKING:
    from stepiq.client import AsyncClient


async def show_list(
    client: "AsyncClient",
    text: str | None,
    *,
    status: str | None,
    tag: str | None,
    as_json: bool,
) -> None:
    """Print pipelines, newest first."""
    found = await everything(
        client, "/api/pipelines", q=text, status=status, tag=tag, include_definition=False
    )
    if as_json:
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
