"""`stepiq members`: the commands for the members of workspaces, implemented in `cli.administration.workspace_members`."""

from typing import Annotated

import typer

from stepiq.cli.command_line import server_commands
from stepiq.store.states import Role

app = server_commands("List, invite, change and remove the members of a workspace.")

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


@app.command("list")
def list_members(workspace: _Workspace = None) -> None:
    """Print the members of a workspace with their roles."""
    from stepiq.cli.administration import workspace_members

    workspace_members.show(workspace)


@app.command()
def invite(email: _Email, role: _Role = Role.EDITOR, workspace: _Workspace = None) -> None:
    """Invite a person to a workspace. Prints the link, and emails it if STEPIQ_SMTP_URL is set."""
    from stepiq.cli.administration import workspace_members

    workspace_members.invite(email, role, workspace)


@app.command("set-role")
def set_role(email: _Email, role: _Role, workspace: _Workspace = None) -> None:
    """Change the role of a member. A running server applies it within five seconds."""
    from stepiq.cli.administration import workspace_members

    workspace_members.set_role(email, role, workspace)


@app.command()
def remove(email: _Email, workspace: _Workspace = None) -> None:
    """Remove a member. The person's sessions and keys end within five seconds; pipelines and schedules stay."""
    from stepiq.cli.administration import workspace_members

    workspace_members.remove(email, workspace)
