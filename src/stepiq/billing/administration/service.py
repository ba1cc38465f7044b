"""Operations of administrators of the server on workspaces."""

from collections.abc import Mapping
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, By
from stepiq.accounts.workspaces import service as workspaces
from stepiq.billing.administration import queries
from stepiq.billing.administration.queries import LimitValue, ListedWorkspace
from stepiq.core import clock
from stepiq.core.errors import Conflict, NotFound
from stepiq.core.json import Json
from stepiq.execution.limits.plans import Plans, check_overrides
from stepiq.execution.runtime import Engine
from stepiq.store.database import Session


async def _record_change(
    session: Session, by: Actor | By, old: ListedWorkspace, new: ListedWorkspace
) -> None:
    """Record changes of the plan and of limits."""
    were, are = audit.changes(_facts(old), _facts(new))
    if are:
        await audit.record(
            session,
            by,
            Action.WORKSPACE_UPDATED,
            _target(new),
            before=were,
            after=are,
            workspace_id=new.id,
        )


def _target(workspace: ListedWorkspace) -> AuditTarget:
    return AuditTarget(AuditTargetType.WORKSPACE, workspace.id, workspace.name)


def _facts(workspace: ListedWorkspace) -> dict[str, Json]:
    return {"plan": str(workspace.plan), "limits": dict(workspace.overrides)}


class NoSuchWorkspace(NotFound):
    """The server has no workspace with this id."""

    code = "workspace_unknown"

    def __init__(self, workspace_id: UUID) -> None:
        super().__init__(f"Workspace {workspace_id} does not exist.", workspace_id=workspace_id)


class WorkspaceHasMembers(Conflict):
    """Administrators of the server erase only workspaces without members."""

    code = "workspace_has_members"

    def __init__(self, workspace_id: UUID, members: int) -> None:
        has = "a member" if members == 1 else f"{members} members"
        super().__init__(
            f"Workspace {workspace_id} has {has}. Administrators of the server can erase only workspaces without members.",
            workspace_id=workspace_id,
        )


async def get(session: Session, workspace_id: UUID) -> ListedWorkspace:
    """A workspace. Raises NoSuchWorkspace if the server has no such workspace."""
    found = await queries.find(session, workspace_id, clock.now())
    if found is None:
        raise NoSuchWorkspace(workspace_id)
    return found


async def change(
    session: Session,
    by: Actor | By,
    workspace_id: UUID,
    *,
    plans: Plans,
    engine: Engine,
    plan: str | None,
    limits: Mapping[str, LimitValue | None] | None,
) -> ListedWorkspace:
    """Change the plan of a workspace, and limits that replace those of its plan. Applies in all processes within 5 seconds.

    `limits` are named as in the config file; None as a value restores the limit of the plan. The engine gives held runs the
    slots of a raised limit.

    Raises:
        UnknownPlan: no plan has this name.
        LimitsInvalid: a limit has an unknown name or an invalid value. Lists all problems.
        NoSuchWorkspace: the server has no such workspace.
    """
    if plan is not None:
        plans.require(plan)
    wanted = limits or {}
    check_overrides({name: value for name, value in wanted.items() if value is not None})
    stored = await queries.lock(session, workspace_id)
    if stored is None:
        raise NoSuchWorkspace(workspace_id)
    before = await get(session, workspace_id)
    kept = {**stored, **wanted}
    overrides = {name: value for name, value in kept.items() if value is not None}
    values = {} if plan is None else {"plan": plan}
    await queries.update(session, workspace_id, {**values, "limit_overrides": overrides or None})
    await engine.plan_changed(session, workspace_id)
    changed = await get(session, workspace_id)
    await _record_change(session, by, before, changed)
    return changed


async def erase(session: Session, by: Actor | By, workspace_id: UUID) -> None:
    """Mark a workspace without members, so that its data is erased in the background. Idempotent.

    Raises:
        NoSuchWorkspace: the server has no such workspace.
        WorkspaceHasMembers: it has members.
    """
    if await queries.lock(session, workspace_id, to_delete=True) is None:
        raise NoSuchWorkspace(workspace_id)
    if members := await queries.count_members(session, workspace_id):
        raise WorkspaceHasMembers(workspace_id, members)
    found = await get(session, workspace_id)
    if found.deleted_at is None:
        await workspaces.close(session, [workspace_id], is_erased=True)
        await workspaces.record_deletion(session, by, workspace_id, found.name)
