"""Routes of workspaces and members."""

from typing import Annotated
from uuid import UUID

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.authentication import disabling
from stepiq.accounts.errors import (
    RoleMissing,
    ScopeMissing,
    SessionRequired,
)
from stepiq.accounts.http import DoorsDep, Person, WorkspaceAdmin, WorkspaceOwner, needs
from stepiq.accounts.queries import members as queries
from stepiq.accounts.workspaces import schemas, service
from stepiq.accounts.workspaces.errors import (
    LastOwner,
    MemberNotFound,
    OnlyWorkspace,
    TooManyNewWorkspaces,
    TooManyWorkspaces,
    WorkspaceNameWrong,
    WorkspacesRestricted,
)
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep
from stepiq.web.transactions import Read, Tx

router = new_router("Workspaces")
members = new_router("Members")

_ADMIN_ONLY = (SessionRequired, RoleMissing)


@router.get("/workspaces", responses=problems(SessionRequired))
async def list_workspaces(caller: Person, read: Read) -> Page[schemas.WorkspaceView]:
    """Your workspaces, all in one page. Send the id of one as `X-Workspace` to use it; the first is the default."""
    rows = await queries.workspaces_of(read, caller.user_id)
    return Page(data=[schemas.WorkspaceView.model_validate(row) for row in rows], next_cursor=None)


@router.post(
    "/workspaces",
    status_code=201,
    responses=problems(
        SessionRequired, WorkspacesRestricted, TooManyWorkspaces, TooManyNewWorkspaces
    ),
)
async def create_workspace(
    caller: Person, services: ServicesDep, tx: Tx, body: schemas.NewWorkspace
) -> schemas.WorkspaceView:
    """Create a workspace, which you own. If registration is not open, only administrators of the server can do this."""
    workspace_id = await service.create(tx, services.settings, caller, name=body.name)
    rows = await queries.workspaces_of(tx, caller.user_id)
    return schemas.WorkspaceView.model_validate(next(row for row in rows if row.id == workspace_id))


@router.get("/workspace", responses=problems(SessionRequired))
async def get_workspace(caller: Person, read: Read) -> schemas.WorkspaceView:
    """The workspace of the request: the one in `X-Workspace`, or your first one."""
    return schemas.WorkspaceView.model_validate(await service.one(read, caller))


@router.patch("/workspace", responses=problems(*_ADMIN_ONLY))
async def rename_workspace(
    caller: WorkspaceAdmin, tx: Tx, body: schemas.NewWorkspace
) -> schemas.WorkspaceView:
    """Rename the workspace. Requires the role `admin`."""
    await service.rename(tx, caller, name=body.name)
    return schemas.WorkspaceView.model_validate(await service.one(tx, caller))


@router.delete(
    "/workspace",
    responses=problems(SessionRequired, RoleMissing, WorkspaceNameWrong, OnlyWorkspace),
)
async def delete_workspace(
    caller: WorkspaceOwner, services: ServicesDep, doors: DoorsDep, body: schemas.WorkspaceDeletion
) -> schemas.DeletedWorkspaceView:
    """Delete the workspace with all its data. Requires the role `owner`.

    All members are removed, with their sessions and keys of this workspace. Service keys and invitations stop working, and unfinished
    runs are cancelled. The data is erased in the background and cannot be restored.
    """
    async with services.database.transaction() as tx:
        done = await service.delete(tx, caller, name=body.name)
    for user_id in done.members:
        doors.authenticator.forget(user_id)
    await disabling.stop(
        [caller.workspace_id], doors.authenticator, services.database, services.engine
    )
    return schemas.DeletedWorkspaceView(
        id=caller.workspace_id,
        members_removed=len(done.members),
        api_keys_revoked=done.api_keys_revoked,
    )


@router.post("/workspace/leave", responses=problems(SessionRequired, LastOwner))
async def leave_workspace(caller: Person, tx: Tx, doors: DoorsDep) -> schemas.RemovedMember:
    """Leave the workspace. Your sessions end, and your keys of this workspace are revoked."""
    done = await service.leave(tx, caller)
    tx.after_commit(lambda: doors.authenticator.forget(caller.user_id))
    return _removed(caller.user_id, done)


@members.get("/workspace/members", responses=problems(ScopeMissing))
async def list_members(
    caller: Annotated[Actor, needs(Scope.ACCOUNT_READ)], read: Read, page: PageQuery
) -> Page[schemas.MemberView]:
    """The members of the workspace, the newest account first."""
    rows = await queries.page(read, caller.workspace_id, before=page.before, limit=page.fetch)
    return page.page(rows, _member, lambda row: row.id)


@members.patch(
    "/workspace/members/{user_id}", responses=problems(*_ADMIN_ONLY, MemberNotFound, LastOwner)
)
async def update_member(
    caller: WorkspaceAdmin, tx: Tx, doors: DoorsDep, user_id: UUID, body: schemas.RoleChange
) -> schemas.MemberView:
    """Change the role of a member. Requires the role `admin`; only owners can make or change owners."""
    row = await service.change_role(tx, caller, caller.workspace_id, user_id, body.role)
    tx.after_commit(lambda: doors.authenticator.forget(user_id))
    return _member(row)


@members.get(
    "/workspace/members/{user_id}/holdings", responses=problems(*_ADMIN_ONLY, MemberNotFound)
)
async def get_member_holdings(
    caller: WorkspaceAdmin, read: Read, user_id: UUID
) -> schemas.MemberHoldings:
    """Keys, schedules and pipelines of a member."""
    return schemas.MemberHoldings.model_validate(await service.holdings(read, caller, user_id))


@members.delete(
    "/workspace/members/{user_id}", responses=problems(*_ADMIN_ONLY, MemberNotFound, LastOwner)
)
async def remove_member(
    caller: WorkspaceAdmin, tx: Tx, doors: DoorsDep, user_id: UUID
) -> schemas.RemovedMember:
    """Remove a member. Requires the role `admin`; only owners can remove owners.

    Within five seconds, the person's sessions and streams end, and the personal keys and mailed review links of this
    workspace stop working. Pipelines and schedules stay.
    """
    done = await service.remove(tx, caller, caller.workspace_id, user_id)
    tx.after_commit(lambda: doors.authenticator.forget(user_id))
    return _removed(user_id, done)


def _member(row: queries.Row) -> schemas.MemberView:
    return schemas.MemberView(
        id=row.id,
        email=row.email,
        name=row.name,
        role=row.role,
        disabled=row.disabled_at is not None,
        joined_at=row.joined_at,
    )


def _removed(user_id: UUID, done: service.Removal) -> schemas.RemovedMember:
    return schemas.RemovedMember(
        id=user_id,
        api_keys_revoked=done.api_keys_revoked,
        sessions_ended=done.sessions_ended,
    )
