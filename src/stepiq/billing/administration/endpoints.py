"""Routes with which administrators of the server manage plans and limits of workspaces."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query

from stepiq.accounts.authentication import current_rights
from stepiq.accounts.errors import AdminRequired, SessionRequired
from stepiq.accounts.http import Administrator
from stepiq.billing.administration import queries, service
from stepiq.billing.administration.queries import ListedWorkspace, WorkspaceFilter
from stepiq.billing.administration.service import NoSuchWorkspace, WorkspaceHasMembers
from stepiq.core import clock
from stepiq.execution.limits.plans import LimitsInvalid, UnknownPlan
from stepiq.store.database import Session
from stepiq.store.states import Role
from stepiq.web.bodies import StrictModel, Timestamp, View
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import MAX_LIMIT, Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import Services, ServicesDep
from stepiq.web.transactions import Read, Tx

Limit = int | bool | None


class PlanView(View):
    """A plan of the server."""

    name: str
    limits: dict[str, Limit]
    """The limits by name. Null is unlimited."""


class WorkspaceChange(StrictModel):
    """Changes of a workspace by an administrator of the server. Omitted fields and null leave a value unchanged."""

    plan: str | None = None
    """Name of a plan."""
    limits: dict[str, int | bool | str | None] | None = None
    """Limits that replace those of the plan, by name: a number, a boolean or `unlimited`. Null restores the limit of the plan."""


class WorkspaceUsageView(View):
    """The usage of a workspace in this month (UTC)."""

    runs: int
    """Ended runs."""
    tokens: int
    credits_used: int
    cost_usd_micros: int
    cost_complete: bool


class AdminWorkspaceView(View):
    """A workspace as administrators of the server see it."""

    id: UUID
    name: str
    plan: str
    overrides: dict[str, int | bool | str]
    """Limits that replace those of the plan."""
    members: int
    usage: WorkspaceUsageView
    created_at: Timestamp
    deleted_at: Timestamp | None
    """Set while its data is being erased."""


class AdminMemberView(View):
    """A member of a workspace."""

    id: UUID
    email: str
    name: str
    role: Role
    disabled: bool


class AdminWorkspaceDetailView(AdminWorkspaceView):
    """A workspace with its limits and members."""

    limits: dict[str, Limit]
    """The limits that apply. Null is unlimited."""
    member_list: list[AdminMemberView]
    """Up to 100 members, those who joined first come first."""


class ErasedWorkspaceView(View):
    """A workspace whose data is being erased."""

    id: UUID
    deleted: Literal[True] = True


router = new_router("Administration")

_REFUSALS = (SessionRequired, AdminRequired)


@router.get("/admin/plans", responses=problems(*_REFUSALS))
async def list_plans(_caller: Administrator, services: ServicesDep) -> Page[PlanView]:
    """All plans of this server, in one page."""
    plans = services.plans
    found = [plans.require(name) for name in plans.names()]
    return Page(data=[PlanView.model_validate(plan) for plan in found], next_cursor=None)


@router.get("/admin/workspaces", responses=problems(*_REFUSALS))
async def list_workspaces(
    _caller: Administrator,
    read: Read,
    page: PageQuery,
    q: Annotated[
        str | None, Query(max_length=200, description="A part of the name, or the id.")
    ] = None,
    plan: Annotated[
        str | None, Query(max_length=40, description="Only workspaces with this plan.")
    ] = None,
    has_members: Annotated[
        bool | None, Query(description="Only workspaces with members, or only those without.")
    ] = None,
) -> Page[AdminWorkspaceView]:
    """All workspaces of the server with their usage of this month."""
    wanted = WorkspaceFilter(q, plan, has_members)
    rows = await queries.page(read, wanted, clock.now(), before=page.before, limit=page.fetch)
    return page.page(
        rows,
        lambda row: AdminWorkspaceView.model_validate(_shown(row)),
        lambda row: row.id,
    )


@router.get("/admin/workspaces/{workspace_id}", responses=problems(*_REFUSALS, NoSuchWorkspace))
async def get_workspace(
    _caller: Administrator, services: ServicesDep, read: Read, workspace_id: UUID
) -> AdminWorkspaceDetailView:
    """A workspace with the limits that apply, and its members."""
    return await _detail(read, services, await service.get(read, workspace_id))


@router.patch(
    "/admin/workspaces/{workspace_id}",
    responses=problems(*_REFUSALS, NoSuchWorkspace, UnknownPlan, LimitsInvalid),
)
async def update_workspace(
    caller: Administrator,
    services: ServicesDep,
    tx: Tx,
    workspace_id: UUID,
    body: WorkspaceChange,
) -> AdminWorkspaceDetailView:
    """Change the plan of a workspace, or single limits of it. All processes apply it within five seconds."""
    await current_rights.require_administrator(tx, caller)
    changed = await service.change(
        tx,
        caller,
        workspace_id,
        plans=services.plans,
        engine=services.engine,
        plan=body.plan,
        limits=body.limits,
    )
    return await _detail(tx, services, changed)


@router.delete(
    "/admin/workspaces/{workspace_id}",
    responses=problems(*_REFUSALS, NoSuchWorkspace, WorkspaceHasMembers),
)
async def erase_workspace(caller: Administrator, tx: Tx, workspace_id: UUID) -> ErasedWorkspaceView:
    """Erase a workspace without members, with all its data, in the background."""
    await current_rights.require_administrator(tx, caller)
    await service.erase(tx, caller, workspace_id)
    return ErasedWorkspaceView(id=workspace_id)


async def _detail(
    session: Session, services: Services, found: ListedWorkspace
) -> AdminWorkspaceDetailView:
    listed = await queries.members(session, found.id, MAX_LIMIT)
    return AdminWorkspaceDetailView.model_validate(
        {
            **_shown(found),
            "limits": services.plans.get(found.plan).limits,
            "member_list": [AdminMemberView.model_validate(each) for each in listed],
        }
    )


def _shown(row: ListedWorkspace) -> dict[str, object]:
    names = ("id", "name", "plan", "overrides", "members", "created_at", "deleted_at")
    usage = WorkspaceUsageView.model_validate(row)
    return {**{name: getattr(row, name) for name in names}, "usage": usage}
