"""`stepiq audit`: the commands for the audit log, implemented in `cli.audit_log`."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer

from stepiq.accounts.audit.actions import Action
from stepiq.cli.command_line import server_commands

app = server_commands("Show, export and check the audit log.")

_Workspace = Annotated[
    UUID | None,
    typer.Option(
        "--workspace", metavar="ID", help="Only the log of this workspace.", show_default=False
    ),
]
_Server = Annotated[bool, typer.Option("--server", help="Only the server's own log.")]
_Actions = Annotated[
    list[Action] | None,
    typer.Option("--action", metavar="ACTION", help="Only these actions. Can be repeated."),
]


def _time(text: str) -> datetime:
    """A time in UTC, also as the commands print it."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("write a time as 2026-01-31 or 2026-01-31T12:00:00, in UTC") from None


_Since = Annotated[
    datetime | None,
    typer.Option(
        "--from",
        metavar="TIME",
        help="Only entries from this time on, in UTC.",
        parser=_time,
        show_default=False,
    ),
]
_Until = Annotated[
    datetime | None,
    typer.Option(
        "--to",
        metavar="TIME",
        help="Only entries before this time, in UTC.",
        parser=_time,
        show_default=False,
    ),
]


@app.command("list")
def list_entries(
    workspace: _Workspace = None,
    action: _Actions = None,
    since: _Since = None,
    until: _Until = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of entries.")] = 20,
) -> None:
    """Print the newest entries of all workspaces and of the server, newest first."""
    from stepiq.cli import audit_log

    audit_log.show(workspace, action or (), since, until, limit)


@app.command()
def export(
    workspace: _Workspace = None,
    server: _Server = False,
    action: _Actions = None,
    since: _Since = None,
    until: _Until = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of lines of JSON.")] = False,
) -> None:
    """Print all sealed entries, one log after the other, in the order in which they were sealed."""
    from stepiq.cli import audit_log

    chain = audit_log.Chosen(workspace, is_server=server)
    audit_log.export(chain, action or (), since, until, is_csv=csv)


@app.command()
def verify(
    workspace: _Workspace = None,
    server: _Server = False,
    expect_head: Annotated[
        str | None,
        typer.Option(
            "--expect-head",
            metavar="SEQUENCE:HASH",
            help="A head that this command printed before. Needs --workspace or --server.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check that no entry was changed, removed or moved, and print the head of each log. Exits with 1 if there is a fault."""
    from stepiq.cli import audit_log

    if not audit_log.verify(audit_log.Chosen(workspace, is_server=server), expect_head):
        raise typer.Exit(1)
