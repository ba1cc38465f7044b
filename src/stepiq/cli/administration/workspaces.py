"""`stepiq workspaces`: the commands for workspaces, implemented in `cli.workspace_administration`."""

from typing import Annotated

import typer

from stepiq.cli.command_line import server_commands

app = server_commands("List the workspaces of this server, and change their plans and limits.")

_Workspace = Annotated[
    str, typer.Argument(metavar="ID", help="Id of the workspace.", show_default=False)
]


@app.command("list")
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
    from stepiq.cli import workspace_administration

    workspace_administration.show(text, plan=plan, without_members=without_members, as_json=as_json)


@app.command("plan")
def set_plan(
    workspace: _Workspace,
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="Name of a plan.", show_default=False)
    ],
) -> None:
    """Change the plan of a workspace. A running server applies it within five seconds."""
    from stepiq.cli import workspace_administration

    workspace_administration.set_plan(workspace, plan)


@app.command()
def limits(
    workspace: _Workspace,
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
    from stepiq.cli import workspace_administration

    workspace_administration.limits(workspace, changes or [])
