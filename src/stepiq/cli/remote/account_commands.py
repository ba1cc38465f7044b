"""`stepiq login`, `logout` and `whoami`, implemented in `cli.remote.login`."""

from typing import Annotated

import typer

from stepiq.cli.output.console import ExitCode
from stepiq.cli.remote.calling import ProfileName, Server
from stepiq.cli.remote.failures import remote_commands

app = remote_commands()

_LoginServer = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="The server to log in to. Default: STEPIQ_SERVER, the profile, or http://127.0.0.1:8080.",
    ),
]
_StoredProfile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Store the key under this name. Default: STEPIQ_PROFILE, or a profile for the server, which becomes the default.",
    ),
]


@app.command()
def login(
    server: _LoginServer = None,
    profile: _StoredProfile = None,
    with_key: Annotated[
        bool, typer.Option("--with-key", help="Read an API key from standard input instead.")
    ] = False,
    opens: Annotated[
        bool | None,
        typer.Option(
            "--open/--no-open",
            help="Open the page in the browser. Default: ask on a terminal.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Log in to a server: confirm a code in the browser, and store the key in a profile."""
    from stepiq.cli.remote import login as command

    command.log_in(server, profile, with_key=with_key, opens=opens)


@app.command()
def logout(server: Server = None, profile: ProfileName = None) -> None:
    """Delete a profile, and revoke its key if `stepiq login` has created it."""
    from stepiq.cli.remote import login as command

    if not command.log_out(server, profile):
        raise typer.Exit(ExitCode.UNREACHABLE)


@app.command()
def whoami(server: Server = None, profile: ProfileName = None) -> None:
    """Show the server, account, workspace and key that commands use."""
    from stepiq.cli.remote import login as command

    command.who_am_i(server, profile)
