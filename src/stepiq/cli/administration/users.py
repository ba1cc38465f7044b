"""`stepiq users`: the commands for accounts, implemented in `cli.administration.accounts`."""

from typing import Annotated, Literal

import typer

from stepiq.cli.command_line import server_commands

app = server_commands("Create and change the accounts of this server.")

_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
_AccountEmail = Annotated[
    str, typer.Argument(metavar="EMAIL", help="Email address of the account.", show_default=False)
]


@app.command()
def create(
    email: Annotated[
        str,
        typer.Argument(metavar="EMAIL", help="Email address for the login.", show_default=False),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the person. Default: the part of the address before the @.",
            show_default=False,
        ),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(
            help="Plan of the new workspace. Default: STEPIQ_DEFAULT_PLAN, or `enterprise` with --admin."
        ),
    ] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="Make the account an administrator.")
    ] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Create an account, even if registration is closed. Prompts for the password. The first account is an administrator."""
    from stepiq.cli.administration import accounts

    accounts.create(email, name=name, plan=plan, is_admin=admin, from_stdin=password_stdin)


@app.command()
def invite(
    email: Annotated[
        str, typer.Argument(metavar="EMAIL", help="Email address to invite.", show_default=False)
    ],
) -> None:
    """Invite a person to register, even if registration is closed. Prints the token, and emails it if STEPIQ_SMTP_URL is set."""
    from stepiq.cli.administration import accounts

    accounts.invite(email)


@app.command("list")
def show_users(
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT", help="A part of the address or the name.", show_default=False
        ),
    ] = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Only disabled accounts.")] = False,
    admins: Annotated[
        bool, typer.Option("--admins", help="Only administrators of the server.")
    ] = False,
    as_json: _AsJson = False,
) -> None:
    """List the accounts of this server, newest first."""
    from stepiq.cli.administration import account_actions

    account_actions.show(text, disabled=disabled, admins=admins, as_json=as_json)


@app.command("plan")
def plan(
    email: _AccountEmail,
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="Name of a plan.", show_default=False)
    ],
) -> None:
    """Change the plan of the only workspace that an account owns. A running server applies it within five seconds."""
    from stepiq.cli.administration import accounts

    accounts.set_plan(email, plan)


@app.command("set-plan")
def set_plan(
    email: _AccountEmail,
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="Name of a plan.", show_default=False)
    ],
) -> None:
    """The same as `stepiq users plan`."""
    from stepiq.cli.administration import accounts

    accounts.set_plan(email, plan)


@app.command()
def disable(email: _AccountEmail) -> None:
    """Disable an account: refuse its sessions and keys, and cancel runs of workspaces without another enabled member."""
    from stepiq.cli.administration import accounts

    accounts.disable(email)


@app.command("reset-2fa")
def reset_two_factor(email: _AccountEmail) -> None:
    """Turn off two-factor sign-in of an account."""
    from stepiq.cli.administration import accounts

    accounts.reset_two_factor(email)


@app.command()
def sessions(
    email: _AccountEmail,
    end: Annotated[
        bool, typer.Option("--end", help="End all of them. The person must log in again.")
    ] = False,
) -> None:
    """List the sessions of an account, or end them. Running servers refuse ended sessions within five seconds."""
    from stepiq.cli.administration import accounts

    accounts.show_sessions(email, end=end)


@app.command()
def enable(email: _AccountEmail) -> None:
    """Enable a disabled account. Its keys and schedules work again."""
    from stepiq.cli.administration import accounts

    accounts.enable(email)


@app.command()
def disconnect(email: _AccountEmail) -> None:
    """Disconnect all identities of single sign-on from an account, and end the memberships that they give."""
    from stepiq.cli.administration import account_actions

    account_actions.disconnect(email)


@app.command()
def delete(
    email: _AccountEmail,
    data: Annotated[
        Literal["keep", "erase"],
        typer.Option(
            help="What happens to workspaces that have no other member. `keep`: they stay without members. "
            "`erase`: all their data is deleted.",
            show_default=False,
        ),
    ],
    yes: _Yes = False,
) -> None:
    """Delete an account: end all its access, and replace its address and name. It cannot be restored."""
    from stepiq.cli.administration import account_actions

    account_actions.delete(email, data=data, is_confirmed=yes)


@app.command()
def reset(email: _AccountEmail) -> None:
    """Print a link with which the person sets a new password, once, within 24 hours. Emails it if STEPIQ_SMTP_URL is set."""
    from stepiq.cli.administration import account_actions

    account_actions.reset(email)


@app.command()
def admin(
    email: _AccountEmail,
    remove: Annotated[
        bool, typer.Option("--remove", help="Make the account an ordinary one.")
    ] = False,
) -> None:
    """Make an account an administrator of the server."""
    from stepiq.cli.administration import account_actions

    account_actions.set_admin(email, is_admin=not remove)


@app.command()
def verify(email: _AccountEmail) -> None:
    """Mark the address of an account as verified."""
    from stepiq.cli.administration import account_actions

    account_actions.verify(email)
