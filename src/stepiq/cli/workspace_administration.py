"""The implementation of `stepiq workspaces`."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from stepiq.accounts.audit.records import OPERATOR
from stepiq.billing.administration import queries, service
from stepiq.billing.administration.queries import LimitValue, ListedWorkspace, WorkspaceFilter
from stepiq.cli import database
from stepiq.cli.output.console import UsageError, print_json, print_text, say
from stepiq.core import clock, ids
from stepiq.core.control_characters import escape_line
from stepiq.core.settings.model import Settings
from stepiq.execution.limits.plans import Plan, Plans
from stepiq.server.assembly import built
from stepiq.store.database import Database

_LIMIT = 1_000
_OF_PLAN = "plan"
"""The value that restores the limit of the plan."""


def show(text: str | None, *, plan: str | None, without_members: bool, as_json: bool) -> None:
    """Print workspaces, newest first.

    Raises:
        StoreMissing: the configured database does not exist.
    """
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
    """Change the plan of a workspace.

    Raises:
        StoreMissing: the configured database does not exist.
        UnknownPlan, NoSuchWorkspace: see the classes.
    """
    workspace_id, configured = _prepared(workspace)
    changed = asyncio.run(_change(configured, workspace_id, plan=plan))
    print_text(f"{changed.name} now has plan {changed.plan}.")


def limits(workspace: str, changes: Sequence[str]) -> None:
    """Change limits of a workspace, and print all of them.

    Raises:
        UsageError: a change is not NAME=VALUE.
        StoreMissing: the configured database does not exist.
        LimitsInvalid, NoSuchWorkspace: see the classes.
    """
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
        return await service.change(
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
