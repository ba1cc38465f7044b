"""The implementation of `stepiq members` and `stepiq workspaces`."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from stepiq.accounts import service as accounts
from stepiq.accounts.audit.records import OPERATOR, operator_of
from stepiq.accounts.workspaces import invitations, service
from stepiq.billing.administration import queries
from stepiq.billing.administration import service as billing
from stepiq.billing.administration.queries import LimitValue, ListedWorkspace, WorkspaceFilter
from stepiq.cli import database
from stepiq.cli.administration.accounts import address_of
from stepiq.cli.database import warn_about_address
from stepiq.cli.output.console import UsageError, print_json, print_text, say
from stepiq.core import clock, ids
from stepiq.core.control_characters import escape_line
from stepiq.core.mail import MailUnsent
from stepiq.core.settings.model import Settings
from stepiq.execution.limits.plans import Plan, Plans
from stepiq.server.assembly import built
from stepiq.store.database import Database, Session
from stepiq.store.states import Role

Result = TypeVar("Result")

_MOST_LISTED = 1_000
_MOST_NAMED = 20


def show_members(workspace: str | None) -> None:
    """Print the members of a workspace."""

    async def rows(session: Session, workspace_id: UUID) -> Any:
        return await service.of_workspace(session, workspace_id, limit=_MOST_LISTED)

    for row in _run(workspace, rows):
        disabled = "  (disabled)" if row.disabled_at is not None else ""
        print_text(f"{row.role:<9} {row.email}{disabled}")


def invite(email: str, role: Role, workspace: str | None) -> None:
    """Invite a person, print the link, and email it if there is a mail server."""
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
    """Change the role of a member."""
    address = address_of(email)

    async def change(session: Session, workspace_id: UUID) -> None:
        user = await accounts.user_named(session, address)
        by = operator_of(workspace_id)
        await service.change_role(session, by, workspace_id, user.id, role)

    _run(workspace, change)
    print_text(f"{address} now has the role {role}.")


def remove(email: str, workspace: str | None) -> None:
    """Remove a member, and print what has ended."""
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


_LIMIT = 1_000
_OF_PLAN = "plan"
"""The value that restores the limit of the plan."""


def show_workspaces(
    text: str | None, *, plan: str | None, without_members: bool, as_json: bool
) -> None:
    """Print workspaces, newest first."""
    configured = database.load_settings()
    wanted = WorkspaceFilter(text, plan, has_members=False if without_members else None)
    found = asyncio.run(_page(configured, wanted))
    if as_json:
        print_json({"data": [_as_json(each) for each in found[:_LIMIT]]})
    else:
        for each in found[:_LIMIT]:
            print_text("\t".join(_cells(each)))
    if len(found) > _LIMIT:
        say(f"There are more than {_LIMIT:,} workspaces. Give a part of the name.")


def set_plan(workspace: str, plan: str) -> None:
    """Change the plan of a workspace."""
    workspace_id, configured = _prepared(workspace)
    changed = asyncio.run(_change(configured, workspace_id, plan=plan))
    print_text(f"{changed.name} now has plan {changed.plan}.")


def limits(workspace: str, changes: Sequence[str]) -> None:
    """Change limits of a workspace, and print all of them."""
    wanted = dict(_change_of(text) for text in changes)
    workspace_id, configured = _prepared(workspace)
    found = asyncio.run(_change(configured, workspace_id, limits=wanted))
    plan = Plans.load(configured.plans).get(found.plan)
    say(f"{found.name}, plan {found.plan}:")
    for name in plan.limits:
        note = "\tset for this workspace" if name in found.overrides else ""
        print_text(f"{name}\t{_shown(plan, name)}{note}")


def _change_of(text: str) -> tuple[str, LimitValue | None]:
    name, separator, value = text.partition("=")
    if not separator:
        raise UsageError(f"`{text}` is not NAME=VALUE, such as runs_per_day=50.")
    flags: dict[str, bool | None] = {"true": True, "false": False, _OF_PLAN: None}
    if value in flags:
        return name, flags[value]
    return name, int(value) if value.isascii() and value.isdigit() else value


def _shown(plan: Plan, name: str) -> str:
    value = plan.limits[name]
    if isinstance(value, bool):
        return str(value).lower()
    return "unlimited" if value is None else f"{value:,}"


def _prepared(workspace: str) -> tuple[UUID, Settings]:
    workspace_id = ids.parse(workspace)
    if workspace_id is None:
        raise UsageError(
            f"`{workspace}` is not the id of a workspace. `stepiq workspaces list` shows the ids."
        )
    configured = database.load_settings()
    return workspace_id, configured


async def _page(configured: Settings, wanted: WorkspaceFilter) -> list[ListedWorkspace]:
    store = Database(configured)
    try:
        async with store.reading() as session:
            return await queries.page(session, wanted, clock.now(), before=None, limit=_LIMIT + 1)
    finally:
        await store.close()


async def _change(
    configured: Settings,
    workspace_id: UUID,
    *,
    plan: str | None = None,
    limits: dict[str, LimitValue | None] | None = None,
) -> ListedWorkspace:
    async with built(configured) as services, services.database.transaction() as session:
        return await billing.change(
            session,
            OPERATOR,
            workspace_id,
            plans=services.plans,
            engine=services.engine,
            plan=plan,
            limits=limits,
        )


def _cells(found: ListedWorkspace) -> list[str]:
    plan = f"{found.plan}, changed" if found.overrides else str(found.plan)
    members = f"{found.members} member{'' if found.members == 1 else 's'}"
    return [str(found.id), escape_line(found.name), plan, members, f"{found.runs:,} runs"]


def _as_json(found: ListedWorkspace) -> dict[str, Any]:
    return {
        "id": str(found.id),
        "name": found.name,
        "plan": str(found.plan),
        "overrides": dict(found.overrides),
        "members": found.members,
        "usage": {
            "runs": found.runs,
            "tokens": found.tokens,
            "credits_used": found.credits_used,
            "cost_usd_micros": found.cost_usd_micros,
            "cost_complete": found.cost_complete,
        },
        "created_at": clock.iso(found.created_at),
    }
