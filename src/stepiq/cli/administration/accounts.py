"""The implementation of `stepiq users` and `stepiq setup-token`."""

import asyncio
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from stepiq.accounts import recorded, service
from stepiq.accounts.administration import queries as administration
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import OPERATOR, AuditTarget
from stepiq.accounts.authentication import disabling
from stepiq.accounts.credentials.passwords import Passwords
from stepiq.accounts.emails import notices
from stepiq.accounts.errors import EmailTaken, SetupDone
from stepiq.accounts.schemas import Registration, normalise_email
from stepiq.accounts.service import Account
from stepiq.accounts.sessions import service as sessions
from stepiq.accounts.signing_in import registration
from stepiq.accounts.two_factor import service as two_factor
from stepiq.billing.administration import service as workspaces
from stepiq.cli import database
from stepiq.cli.database import warn_about_address
from stepiq.cli.output.console import (
    UsageError,
    ask_password,
    print_text,
    say,
    say_block,
    this_command,
)
from stepiq.core import clock
from stepiq.core.control_characters import escape_line
from stepiq.core.json import Json
from stepiq.core.keys import files as keys
from stepiq.core.mail import MailMessage, MailUnsent
from stepiq.core.settings.model import Settings
from stepiq.core.validation import sentence
from stepiq.execution.limits.plans import Plans
from stepiq.server.assembly import built
from stepiq.server.welcome import setup_link
from stepiq.store.database import Database
from stepiq.store.states import Role


def create(
    email: str, *, name: str | None, plan: str | None, is_admin: bool, from_stdin: bool
) -> None:
    """Create an account and print it."""
    configured = database.load_settings()
    if plan is not None:
        Plans.load(configured.plans).require(plan)
    asked = _checked(email, name, _password(from_stdin=from_stdin))
    with _advising():
        account = asyncio.run(add_account(configured, asked, plan=plan, is_admin=is_admin))
    role = ", administrator" if account.is_admin else ""
    why = "" if is_admin or not account.is_admin else ": it is the first account of this server"
    print_text(f"Created {account.email} with plan {account.plan}{role}{why}.")


def invite(email: str) -> None:
    """Invite an address to register. Print the token, and email it if there is a mail server."""
    address, configured = address_of(email), database.load_settings()
    with _advising():
        token, is_mailed = asyncio.run(send_invitation(configured, address))
    print_text(token)
    sent = (
        f"It was emailed to {address}."
        if is_mailed
        else "It was not emailed: send it to this person."
    )
    say(
        f"{address} can register once with this invitation, within seven days. It is not shown again. {sent}"
    )
    if is_mailed:
        warn_about_address(configured)


def show_setup_token() -> None:
    """Print the setup token of a server, with which the first account registers."""
    configured = database.load_settings()
    if not asyncio.run(_needs_setup(configured)):
        raise SetupDone
    if not keys.has_jwt_secret(configured):
        raise keys.KeyUnusable(
            f"{configured.data_dir.absolute()} does not contain a signing key. Run this command with the STEPIQ_DATA_DIR or the"
            " STEPIQ_JWT_SECRET of the server, after its first start."
        )
    token = registration.setup_token(keys.jwt_secret(configured))
    print_text(token)
    say_block(f"""\
This token creates the first account. Open this link:

  {setup_link(configured, token)}

Or send the token as `setup_token` to POST /api/auth/register.""")
    warn_about_address(configured)


async def _needs_setup(configured: Settings) -> bool:
    store = Database(configured)
    try:
        async with store.reading() as session:
            return await service.needs_setup(session)
    finally:
        await store.close()


async def send_invitation(configured: Settings, email: str) -> tuple[str, bool]:
    """Create an invitation. Returns the token, and whether it was emailed."""
    async with built(configured) as services:
        async with services.database.transaction() as session:
            token = await registration.invite(session, email)
            target = AuditTarget(AuditTargetType.INVITATION, None, email)
            await audit.record(session, OPERATOR, Action.USER_INVITED, target)
        if not services.mailer.has_server:
            return token, False
        try:
            await services.mailer.send(_invitation(configured.base_url, email, token))
        except MailUnsent as error:
            say(f"The email could not be sent. {error.message}")
            return token, False
    return token, True


def _invitation(base_url: str, email: str, token: str) -> MailMessage:
    return MailMessage(
        email,
        "Your invitation to stepIQ",
        f"""\
You are invited to stepIQ at {base_url}

Within seven days, create your account with this email address ({email}):

{base_url}/register#invitation={token}
""",
    )


def set_plan(email: str, plan: str) -> None:
    """Change the plan of the only workspace that an account owns, and print the plan."""
    address, configured = address_of(email), database.load_settings()
    wanted = Plans.load(configured.plans).require(plan)
    asyncio.run(change_plan(configured, address, wanted.name))
    print_text(f"{address} now has plan {wanted.name}.")


def disable(email: str) -> None:
    """Disable an account, and cancel the runs of its workspaces that have no other enabled member."""
    address, configured = address_of(email), database.load_settings()
    ended, runs = asyncio.run(disable_account(configured, address))
    print_text(f"Disabled {address}. Sessions ended: {ended}. Runs cancelled: {runs}.")


def enable(email: str) -> None:
    """Enable a disabled account."""
    address, configured = address_of(email), database.load_settings()
    asyncio.run(enable_account(configured, address))
    print_text(f"Enabled {address}.")


def reset_two_factor(email: str) -> None:
    """Turn off the two-factor sign-in of an account, and email the person."""
    address, configured = address_of(email), database.load_settings()
    asyncio.run(turn_off_two_factor(configured, address))
    print_text(
        f"Two-factor sign-in of {address} is off. The password alone is now enough to sign in."
    )


async def turn_off_two_factor(configured: Settings, email: str) -> None:
    """Turn off the two-factor sign-in of an account in the database. The server can be running."""
    async with built(configured) as services:
        async with services.database.transaction() as session:
            row = await service.user_named(session, email)
            user = await two_factor.reset(session, row.id)
            await recorded.on_user(
                session, OPERATOR, Action.TWO_FACTOR_DISABLED, user.id, user.email
            )
        if not user.is_verified:
            return
        try:
            await services.mailer.send(
                notices.two_factor_off(configured.base_url, email, by_operator=True)
            )
        except MailUnsent as error:
            say(f"The email could not be sent. {error.message}")


def show_sessions(email: str, *, end: bool) -> None:
    """Print the sessions of an account, or end them."""
    address, configured = address_of(email), database.load_settings()
    if end:
        print_text(f"Sessions ended: {asyncio.run(end_sessions(configured, address))}.")
        return
    found = asyncio.run(list_sessions(configured, address))
    for row in found:
        used = row.last_used_at or row.created_at
        print_text(
            "\t".join(
                (
                    f"logged in {clock.iso(row.created_at)}",
                    f"last used {clock.iso(used)}",
                    escape_line(row.device or "unknown device"),
                    escape_line(row.client or "unknown address"),
                )
            )
        )
    if not found:
        say(f"{address} has no sessions.")


async def list_sessions(configured: Settings, email: str) -> Sequence[Any]:
    """The rows of the newest sessions of an account."""
    store = Database(configured)
    try:
        async with store.reading() as session:
            row = await service.user_named(session, email)
            return await sessions.of_user(session, row.id)
    finally:
        await store.close()


async def end_sessions(configured: Settings, email: str) -> int:
    """End all sessions of an account in the database. The server can be running."""
    store = Database(configured)
    try:
        async with store.transaction() as session:
            row = await service.user_named(session, email)
            ended = len(await sessions.end_all(session, row.id))
            after: dict[str, Json] = {"sessions_ended": ended}
            await recorded.on_user(
                session, OPERATOR, Action.SESSION_ENDED, row.id, row.email, after=after
            )
            return ended
    finally:
        await store.close()


async def disable_account(configured: Settings, email: str) -> tuple[int, int]:
    """Disable an account, and return the number of ended sessions and cancelled runs. The server can be running."""
    async with built(configured) as services:
        async with services.database.transaction() as session:
            account = await service.user_named(session, email)
            ended = await disabling.disable(session, account.id)
            after: dict[str, Json] = {"sessions_ended": ended}
            await recorded.on_user(
                session, OPERATOR, Action.USER_DISABLED, account.id, email, after=after
            )
        stopped = await disabling.stopped_workspaces(services.database, account.id)
        cancelled = await disabling.cancel_runs_of(services.database, services.engine, stopped)
        return ended, cancelled


async def enable_account(configured: Settings, email: str) -> None:
    """Enable an account in the database. The server can be running."""
    async with built(configured) as services, services.database.transaction() as session:
        account = await service.user_named(session, email)
        await disabling.enable(session, account.id)
        await recorded.on_user(session, OPERATOR, Action.USER_ENABLED, account.id, email)


async def add_account(
    configured: Settings, asked: Registration, *, plan: str | None, is_admin: bool
) -> Account:
    """Create an account in the database. The server can be running."""
    passwords = Passwords()
    try:
        password_hash = await passwords.hash(asked.password)
    finally:
        passwords.close()
    async with built(configured) as services, services.database.transaction() as session:
        account = await registration.create_by_operator(
            session,
            configured,
            email=asked.email,
            name=asked.name,
            password_hash=password_hash,
            is_admin=is_admin,
            plan=plan,
        )
        await recorded.on_user(
            session,
            OPERATOR,
            Action.USER_REGISTERED,
            account.id,
            account.email,
            after=recorded.account_facts(account),
        )
        return account


async def change_plan(configured: Settings, email: str, plan: str) -> None:
    """Change the plan of the only workspace that an account owns. The server can be running."""
    async with built(configured) as services, services.database.transaction() as session:
        account = await service.user_named(session, email)
        memberships = await administration.memberships_of(session, account.id)
        owned = [each.id for each in memberships if each.role == Role.OWNER]
        if len(owned) != 1:
            raise UsageError(_not_one_workspace(email, owned, plan))
        await workspaces.change(
            session,
            OPERATOR,
            owned[0],
            plans=services.plans,
            engine=services.engine,
            plan=plan,
            limits=None,
        )


def _not_one_workspace(email: str, owned: Sequence[UUID], plan: str) -> str:
    if not owned:
        return f"{email} owns no workspace. `stepiq workspaces list` lists all workspaces."
    ids = ", ".join(map(str, owned))
    return f"{email} owns {len(owned)} workspaces. Use `stepiq workspaces plan ID {plan}`: {ids}."


@contextmanager
def _advising() -> Generator[None]:
    try:
        yield
    except EmailTaken:
        raise EmailTaken(
            "Use another address. To change the plan of an account, use `stepiq users plan`."
        ) from None


def address_of(email: str) -> str:
    """An address as it is stored."""
    try:
        return normalise_email(email)
    except ValueError as error:
        raise UsageError(f"{email}: {str(error)[:1].upper()}{str(error)[1:]}.") from None


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UsageError(
            "The password cannot be entered without a terminal. Use --password-stdin:"
            f" {this_command()} users create EMAIL --password-stdin < FILE"
        )
    return ask_password()


def _checked(email: str, name: str | None, password: str) -> Registration:
    try:
        return Registration(email=email, name=name, password=password)
    except ValidationError as error:
        problems = [
            f"`{entry['loc'][0]}`: {sentence(entry)}" for entry in error.errors(include_url=False)
        ]
        raise UsageError(f"The account cannot be created. {' '.join(problems)}") from None
