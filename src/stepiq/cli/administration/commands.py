"""`stepiq members` and `stepiq workspaces`, implemented in `workspace_actions`, and `stepiq audit`, in `audit_actions`."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer

from stepiq.accounts.audit.actions import Action
from stepiq.cli.command_line import server_commands
from stepiq.store.states import Role

members = server_commands("List, invite, change and remove the members of a workspace.")

_Workspace = Annotated[
    str | None,
    typer.Option(
        "--workspace",
        metavar="NAME",
        help="Name or id of the workspace. Not needed if the server has only one.",
        show_default=False,
    ),
]
_Email = Annotated[
    str, typer.Argument(metavar="EMAIL", help="Email address of the person.", show_default=False)
]
_Role = Annotated[
    Role, typer.Argument(metavar="ROLE", help="viewer, operator, editor, admin or owner.")
]


@members.command("list")
def list_members(workspace: _Workspace = None) -> None:
    """Print the members of a workspace with their roles."""
    from stepiq.cli.administration import workspace_actions

    workspace_actions.show_members(workspace)


@members.command()
def invite(email: _Email, role: _Role = Role.EDITOR, workspace: _Workspace = None) -> None:
    """Invite a person to a workspace. Prints the link, and emails it if STEPIQ_SMTP_URL is set."""
    from stepiq.cli.administration import workspace_actions

    workspace_actions.invite(email, role, workspace)


@members.command("set-role")
def set_role(email: _Email, role: _Role, workspace: _Workspace = None) -> None:
    """Change the role of a member. A running server applies it within five seconds."""
    from stepiq.cli.administration import workspace_actions

    workspace_actions.set_role(email, role, workspace)


@members.command()
def remove(email: _Email, workspace: _Workspace = None) -> None:
    """Remove a member. The person's sessions and keys end within five seconds; pipelines and schedules stay."""
    from stepiq.cli.administration import workspace_actions

    workspace_actions.remove(email, workspace)


workspaces = server_commands(
    "List the workspaces of this server, and change their plans and limits."
)

_WorkspaceId = Annotated[
    str, typer.Argument(metavar="ID", help="Id of the workspace.", show_default=False)
]


@workspaces.command("list")
def show_workspaces(
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="A part of the name, or an id.", show_default=False),
    ] = None,
    plan: Annotated[str | None, typer.Option(help="Only workspaces with this plan.")] = None,
    without_members: Annotated[
        bool, typer.Option("--without-members", help="Only workspaces that have no member.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List workspaces with plan, members and usage of this month, newest first."""
    from stepiq.cli.administration import workspace_actions

    workspace_actions.show_workspaces(
        text, plan=plan, without_members=without_members, as_json=as_json
    )


@workspaces.command("plan")
def set_plan(
    workspace: _WorkspaceId,
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="Name of a plan.", show_default=False)
    ],
) -> None:
    """Change the plan of a workspace. A running server applies it within five seconds."""
    from stepiq.cli.administration import workspace_actions

    workspace_actions.set_plan(workspace, plan)


@workspaces.command()
def limits(
    workspace: _WorkspaceId,
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=VALUE",
            help="Limits that replace those of the plan, such as `runs_per_day=50`, `cron=true` or `steps=unlimited`. "
            "`NAME=plan` restores the limit of the plan.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show the limits of a workspace, or change some of them. A running server applies them within five seconds."""
    from stepiq.cli.administration import workspace_actions

    workspace_actions.limits(workspace, changes or [])


audit = server_commands("Show, export and check the audit log.")

_LogOfWorkspace = Annotated[
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


@audit.command("list")
def list_entries(
    workspace: _LogOfWorkspace = None,
    action: _Actions = None,
    since: _Since = None,
    until: _Until = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of entries.")] = 20,
) -> None:
    """Print the newest entries of all workspaces and of the server, newest first."""
    from stepiq.cli.administration import audit_actions

    audit_actions.show(workspace, action or (), since, until, limit)


@audit.command()
def export(
    workspace: _LogOfWorkspace = None,
    server: _Server = False,
    action: _Actions = None,
    since: _Since = None,
    until: _Until = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of lines of JSON.")] = False,
) -> None:
    """Print all sealed entries, one log after the other, in the order in which they were sealed."""
    from stepiq.cli.administration import audit_actions

    chain = audit_actions.Chosen(workspace, is_server=server)
    audit_actions.export(chain, action or (), since, until, is_csv=csv)


@audit.command()
def verify(
    workspace: _LogOfWorkspace = None,
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
    from stepiq.cli.administration import audit_actions

    if not audit_actions.verify(audit_actions.Chosen(workspace, is_server=server), expect_head):
        raise typer.Exit(1)
