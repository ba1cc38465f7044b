"""`stepiq doctor`: what works here, what does not, and what to do about it."""

import asyncio
from dataclasses import asdict

import typer

from stepiq.cli.checks import (
    Check,
    Status,
    check_providers,
    check_secrets,
    check_server,
    check_store,
    settings_check,
)
from stepiq.cli.console import print_json
from stepiq.core import settings
from stepiq.core.settings import SettingsInvalid

_MARKS = {
    Status.OK: ("ok", "green"),
    Status.NOTE: ("note", "yellow"),
    Status.FAILED: ("FAILED", "red"),
}


def run(*, as_json: bool) -> bool:
    """Look at everything and show it; whether a server would work."""
    found = asyncio.run(_look())
    works = all(check.status is not Status.FAILED for check in found)
    if as_json:
        print_json({"ok": works, "checks": [asdict(check) for check in found]})
    else:
        _show(found)
    return works


async def _look() -> list[Check]:
    try:
        configured = settings.load()
    except SettingsInvalid as error:
        return [Check("settings", Status.FAILED, error.message, "Correct them, then try again.")]
    return [
        settings_check(configured),
        *await check_store(configured),
        *await check_secrets(configured),
        *await check_providers(configured),
        *await check_server(configured),
    ]


def _show(found: list[Check]) -> None:
    width = max(len(check.name) for check in found)
    for check in found:
        mark, colour = _MARKS[check.status]
        typer.secho(f"{mark:7}", fg=colour, nl=False)
        typer.echo(f"{check.name:{width}}  {check.detail}")
        if check.advice:
            typer.echo(f"{'':7}{'':{width}}  > {check.advice}")
    failed = sum(check.status is Status.FAILED for check in found)
    typer.echo()
    if failed:
        typer.echo(
            f"{failed} of {len(found)} checks failed: a server would not work as configured."
        )
    else:
        typer.echo("A server would work as configured: `stepiq serve` starts it.")
