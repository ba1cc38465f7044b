"""`stepiq users`: the commands for accounts, implemented in `cli.accounts`."""

from typing import Annotated

import typer

from stepiq.cli.command_line import commands

app = commands("Create and change the accounts of this server.")

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
            help="Plan of the account. Default: STEPIQ_DEFAULT_PLAN, or `enterprise` with --admin."
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
    from stepiq.cli import accounts

    accounts.create(email, name=name, plan=plan, is_admin=admin, from_stdin=password_stdin)


@app.command()
def invite(
    email: Annotated[
        str, typer.Argument(metavar="EMAIL", help="Email address to invite.", show_default=False)
    ],
) -> None:
    """Invite a person to register, even if registration is closed. Prints the token, and emails it if STEPIQ_SMTP_URL is set."""
    from stepiq.cli import accounts

    accounts.invite(email)


@app.command("set-plan")
def set_plan(
    email: _AccountEmail,
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="Name of a plan.", show_default=False)
    ],
) -> None:
    """Change the plan of an account. A running server applies it within five seconds."""
    from stepiq.cli import accounts

    accounts.set_plan(email, plan)


@app.command()
def disable(email: _AccountEmail) -> None:
    """Disable an account and cancel its runs. Running servers refuse its sessions and keys within five seconds."""
    from stepiq.cli import accounts

    accounts.disable(email)


@app.command("reset-2fa")
def reset_two_factor(email: _AccountEmail) -> None:
    """Turn off the two-factor sign-in of an account whose person has lost their authenticator and the recovery codes."""
    from stepiq.cli import accounts

    accounts.reset_two_factor(email)


@app.command()
def sessions(
    email: _AccountEmail,
    end: Annotated[
        bool, typer.Option("--end", help="End all of them. The person must log in again.")
    ] = False,
) -> None:
    """List the sessions of an account, or end them. Running servers refuse ended sessions within five seconds."""
    from stepiq.cli import accounts

    accounts.show_sessions(email, end=end)


@app.command()
def enable(email: _AccountEmail) -> None:
    """Enable a disabled account. Its keys and schedules work again."""
    from stepiq.cli import accounts

    accounts.enable(email)


@app.command()
def disconnect(email: _AccountEmail) -> None:
    """Disconnect all identities of single sign-on from an account, and end the memberships that they give."""
    from stepiq.cli import identities

    identities.disconnect(email)
