"""`stepiq doctor`: what is configured, whether it works, and how to fix it."""

import asyncio

import typer

from stepiq.cli.console import print_json
from stepiq.server import checks
from stepiq.server.checks import Check, Status

_MARKS = {
    Status.OK: ("ok", "green"),
    Status.NOTE: ("note", "cyan"),
    Status.WARNING: ("warning", "yellow"),
    Status.FAILED: ("FAILED", "red"),
}
_MARK_WIDTH = 9


def run(*, as_json: bool) -> bool:
    """Check everything and show the results; whether all that is configured works."""
    found = asyncio.run(checks.everything())
    works = all(check.status is not Status.FAILED for check in found)
    if as_json:
        print_json({"ok": works, "checks": [_data(check) for check in found]})
    else:
        _show(found)
    return works


def _data(check: Check) -> dict[str, str]:
    return {
        "name": check.name,
        "status": check.status,
        "detail": check.detail,
        "advice": check.advice,
    }


def _show(found: list[Check]) -> None:
    width = max(len(check.name) for check in found)
    indent = " " * (_MARK_WIDTH + width + 2)
    for check in found:
        mark, colour = _MARKS[check.status]
        typer.secho(f"{mark:{_MARK_WIDTH}}", fg=colour, nl=False)
        typer.echo(f"{check.name:{width}}  {check.detail}")
        if check.advice:
            typer.echo(f"{indent}> {check.advice}")
    typer.echo()
    typer.echo(_verdict(found))


def _verdict(found: list[Check]) -> str:
    failed = sum(check.status is Status.FAILED for check in found)
    if any(check.error is not None for check in found):
        return f"{failed} of {len(found)} checks failed. `stepiq serve` cannot start until you fix the problems above."
    if failed:
        return f"{failed} of {len(found)} checks failed. `stepiq serve` can start, but not everything that is configured works."
    return "Everything that is configured works. Start the server with `stepiq serve`."
