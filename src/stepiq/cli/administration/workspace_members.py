"""The implementation of `stepiq members`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

from stepiq.accounts import service as accounts
from stepiq.accounts.audit.records import operator_of
from stepiq.accounts.workspaces import invitations, service
from stepiq.cli import database
from stepiq.cli.administration.accounts import address_of
from stepiq.cli.database import warn_about_address
from stepiq.cli.output.console import UsageError, print_text, say
from stepiq.core import ids
from stepiq.core.mail import MailUnsent
from stepiq.core.settings.model import Settings
from stepiq.server.assembly import built
from stepiq.store.database import Session
from stepiq.store.states import Role

Result = TypeVar("Result")

_MOST_LISTED = 1_000
_MOST_NAMED = 20


def show(workspace: str | None) -> None:
    """Print the members of a workspace.

    Raises:
        UsageError: the workspace is unknown or ambiguous.
        StoreMissing: the configured database does not exist.
    """

    async def rows(session: Session, workspace_id: UUID) -> Any:
        return await service.of_workspace(session, workspace_id, limit=_MOST_LISTED)

    for row in _run(workspace, rows):
        disabled = "  (disabled)" if row.disabled_at is not None else ""
        print_text(f"{row.role:<9} {row.email}{disabled}")


def invite(email: str, role: Role, workspace: str | None) -> None:
    """Invite a person, print the link, and email it if there is a mail server.

    Raises:
        UsageError: the address is not valid, or the workspace is unknown or ambiguous.
        StoreMissing: the configured database does not exist.
        AlreadyMember: the person is a member.
    """
    address, configured = address_of(email), database.load_settings()
    url, is_mailed = asyncio.run(_invite(configured, address, role, workspace))
    print_text(url)
    sent = f"It was emailed to {address}." if is_mailed else "It was not emailed: send it yourself."
    say(f"{address} can join with this link once, within seven days. It is not shown again. {sent}")
    warn_about_address(configured)


async def _invite(
    configured: Settings, email: str, role: Role, workspace: str | None
) -> tuple[str, bool]:
    async with built(configured) as services:
        async with services.database.transaction() as session:
            workspace_id = await _find(session, workspace)
            _, token = await invitations.create_by_operator(
                session, workspace_id, email=email, role=role
            )
        url = invitations.url(configured, token)
        if not services.mailer.has_server:
            return url, False
        inviter = "The operator of the server"
        try:
            await services.mailer.send(invitations.message(configured, email, inviter, token))
        except MailUnsent as error:
            say(f"The email could not be sent. {error.message}")
            return url, False
    return url, True


def set_role(email: str, role: Role, workspace: str | None) -> None:
    """Change the role of a member.

    Raises:
        UsageError: the address is not valid, or the workspace is unknown or ambiguous.
        StoreMissing: the configured database does not exist.
        AccountNotFound, MemberNotFound, LastOwner: see the classes.
    """
    address = address_of(email)

    async def change(session: Session, workspace_id: UUID) -> None:
        user = await accounts.user_named(session, address)
        by = operator_of(workspace_id)
        await service.change_role(session, by, workspace_id, user.id, role)

    _run(workspace, change)
    print_text(f"{address} now has the role {role}.")


def remove(email: str, workspace: str | None) -> None:
    """Remove a member, and print what has ended.

    Raises:
        UsageError: the address is not valid, or the workspace is unknown or ambiguous.
        StoreMissing: the configured database does not exist.
        AccountNotFound, MemberNotFound, LastOwner: see the classes.
    """
    address = address_of(email)

    async def end(session: Session, workspace_id: UUID) -> service.Removal:
        user = await accounts.user_named(session, address)
        return await service.remove(session, operator_of(workspace_id), workspace_id, user.id)

    done = _run(workspace, end)
    print_text(
        f"Removed {address}. Sessions ended: {done.sessions_ended}. Keys revoked: {done.api_keys_revoked}."
    )


def _run(workspace: str | None, work: Callable[[Session, UUID], Awaitable[Result]]) -> Result:
    configured = database.load_settings()

    async def run() -> Result:
        async with built(configured) as services, services.database.transaction() as session:
            return await work(session, await _find(session, workspace))

    return asyncio.run(run())


async def _find(session: Session, workspace: str | None) -> UUID:
    """The workspace with this id or name; without one, the only workspace of the server."""
    workspace_id = None if workspace is None else ids.parse(workspace)
    name = workspace if workspace_id is None else None
    found = await service.named(session, workspace_id, name, limit=_MOST_NAMED)
    if len(found) == 1:
        only: UUID = found[0].id
        return only
    if not found and workspace is None:
        raise UsageError("The server has no workspace yet. Create an account first.")
    if not found:
        raise UsageError(
            f"Workspace `{workspace}` was not found. `stepiq workspaces list` lists all workspaces."
        )
    raise UsageError(
        "There are several workspaces. Name one with --workspace ID:",
        [f"{row.id}  {row.name}" for row in found],
    )
