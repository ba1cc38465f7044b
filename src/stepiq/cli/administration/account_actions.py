"""The implementation of `stepiq users list`, `delete`, `reset`, `admin`, `verify` and `disconnect`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from stepiq.accounts.administration import queries, service
from stepiq.accounts.administration.queries import Data, Deletion, UserFilter
from stepiq.accounts.administration.service import Reset
from stepiq.accounts.audit.records import OPERATOR
from stepiq.accounts.authentication import disabling
from stepiq.accounts.oidc import service as identities
from stepiq.accounts.service import user_named
from stepiq.cli import database
from stepiq.cli.administration.accounts import address_of
from stepiq.cli.database import warn_about_address
from stepiq.cli.output.console import UsageError, confirm, print_json, print_text, say
from stepiq.core import clock
from stepiq.core.control_characters import escape_line
from stepiq.core.settings.model import Settings
from stepiq.server.assembly import built
from stepiq.store.database import Database, Session

_LIMIT = 1_000


def show(text: str | None, *, disabled: bool, admins: bool, as_json: bool) -> None:
    """Print accounts, newest first."""
    configured = database.load_settings()
    wanted = UserFilter(q=text, is_disabled=disabled or None, is_admin=admins or None)
    rows = asyncio.run(_page(configured, wanted))
    if as_json:
        print_json({"data": [_as_json(row) for row in rows[:_LIMIT]]})
    else:
        for row in rows[:_LIMIT]:
            print_text("\t".join(_cells(row)))
    if len(rows) > _LIMIT:
        say(f"There are more than {_LIMIT:,} accounts. Give a part of the address or the name.")


async def _page(configured: Settings, wanted: UserFilter) -> list[Any]:
    store = Database(configured)
    try:
        async with store.reading() as session:
            return list(await queries.page(session, wanted, before=None, limit=_LIMIT + 1))
    finally:
        await store.close()


def _cells(row: Any) -> list[str]:
    states = {
        "administrator": row.is_admin,
        "disabled": row.disabled,
        "unverified": not row.email_verified,
    }
    state = ", ".join(name for name, is_so in states.items() if is_so) or "active"
    workspaces = f"{row.workspaces} workspace{'' if row.workspaces == 1 else 's'}"
    return [escape_line(row.email), escape_line(row.name), state, row.plan or "-", workspaces]


def _as_json(row: Any) -> dict[str, Any]:
    return {
        **row._mapping,
        "id": str(row.id),
        "plan": None if row.plan is None else str(row.plan),
        "email_verified": bool(row.email_verified),
        "disabled": bool(row.disabled),
        "created_at": clock.iso(row.created_at),
    }


def delete(email: str, *, data: str, is_confirmed: bool) -> None:
    """Delete an account after a confirmation, and cancel the runs of its workspaces without members."""
    address, configured = address_of(email), database.load_settings()
    question = f"Delete the account {address}? It cannot be restored."
    if data == Data.ERASE:
        question += " Workspaces without another member are erased."
    if not is_confirmed and not confirm(question):
        raise UsageError("The account was not deleted.")
    done, cancelled = asyncio.run(delete_account(configured, address, Data(data)))
    print_text(
        f"Deleted {address}. Sessions ended: {done.sessions_ended}. API keys revoked: {done.api_keys_revoked}."
        f" Runs cancelled: {cancelled}."
    )
    if done.left and data == Data.ERASE:
        say(f"A running server or worker now erases {_workspaces(done)}.")
    elif done.left:
        say(f"{_workspaces(done)} without members: `stepiq workspaces list --without-members`.")


def _workspaces(done: Deletion) -> str:
    return "1 workspace" if len(done.left) == 1 else f"{len(done.left)} workspaces"


async def delete_account(configured: Settings, email: str, data: Data) -> tuple[Deletion, int]:
    """Delete an account; returns what was done, and the number of cancelled runs. The server can be running."""
    async with built(configured) as services:
        async with services.database.transaction() as session:
            user_id = await _id_of(session, email)
            done = await service.delete(session, OPERATOR, user_id, data)
        cancelled = await disabling.cancel_runs_of(services.database, services.engine, done.left)
        return done, cancelled


def reset(email: str) -> None:
    """Print a link for a new password, and email it if there is a mail server."""
    address, configured = address_of(email), database.load_settings()
    made, is_mailed = asyncio.run(make_reset(configured, address))
    print_text(made.link)
    sent = f"It was emailed to {address}." if is_mailed else "It was not emailed: send it."
    say(f"{address} can set a new password once with this link, within 24 hours. {sent}")
    warn_about_address(configured)


async def make_reset(configured: Settings, email: str) -> tuple[Reset, bool]:
    """Create a link for a new password; returns it, and whether it was emailed."""
    async with built(configured) as services:
        base_url = configured.base_url
        async with services.database.transaction() as session:
            user_id = await _id_of(session, email)
            made = await service.reset(session, OPERATOR, user_id, base_url)
        return made, await service.send_reset(services.mailer, base_url, made)


def set_admin(email: str, *, is_admin: bool) -> None:
    """Make an account an administrator of the server, or an ordinary one."""
    address, configured = address_of(email), database.load_settings()

    async def change(session: Session, user_id: UUID) -> None:
        await service.set_admin(session, user_id, is_admin=is_admin)

    asyncio.run(_changing(configured, address, change))
    print_text(f"{address} is {'now' if is_admin else 'no longer'} an administrator of the server.")


def verify(email: str) -> None:
    """Mark the address of an account as verified."""
    address, configured = address_of(email), database.load_settings()

    asyncio.run(_changing(configured, address, service.verify))
    print_text(f"{address} is verified.")


def disconnect(email: str) -> None:
    """Disconnect all identities of an account."""
    address, configured = address_of(email), database.load_settings()
    count = asyncio.run(_disconnect(configured, address))
    print_text(f"Disconnected {address}. Identities: {count}.")


async def _disconnect(configured: Settings, email: str) -> int:
    async with built(configured) as services, services.database.transaction() as session:
        return await identities.disconnect_all(session, OPERATOR, await _id_of(session, email))


async def _changing(
    configured: Settings, email: str, change: Callable[[Session, UUID], Awaitable[None]]
) -> None:
    """Change an account, and record the change."""
    async with built(configured) as services, services.database.transaction() as session:
        user_id = await _id_of(session, email)
        before = await queries.find(session, user_id)
        await change(session, user_id)
        after = await queries.find(session, user_id)
        await service.record_change(session, OPERATOR, before, after)


async def _id_of(session: Session, email: str) -> UUID:
    return (await user_named(session, email)).id
