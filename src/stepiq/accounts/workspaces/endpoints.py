"""Routes of workspaces, members and service keys."""

from typing import Annotated
from uuid import UUID

from stepiq.accounts import schemas as account_schemas
from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.audit.actions import Action
from stepiq.accounts.authentication import current_rights, disabling
from stepiq.accounts.errors import (
    CredentialInvalid,
    EmailUnverified,
    KeyExpiryPast,
    KeyNotFound,
    RoleMissing,
    ScopeMissing,
    SessionRequired,
)
from stepiq.accounts.http import DoorsDep, Person, WorkspaceAdmin, WorkspaceOwner, needs
from stepiq.accounts.keys import service as keys
from stepiq.accounts.workspaces import queries, recorded, schemas, service
from stepiq.accounts.workspaces import service as workspaces
from stepiq.accounts.workspaces.errors import (
    LastOwner,
    MemberNotFound,
    OnlyWorkspace,
    TooManyNewWorkspaces,
    TooManyWorkspaces,
    WorkspaceNameWrong,
    WorkspacesRestricted,
)
from stepiq.execution.limits.quotas import PlanKeysExceeded
from stepiq.store.states import Role
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep
from stepiq.web.transactions import Read, Tx

router = new_router("Workspaces")
members = new_router("Members")
service_keys = new_router("Service keys")

_ADMIN_ONLY = (SessionRequired, RoleMissing)


@router.get("/workspaces", responses=problems(SessionRequired))
async def list_workspaces(caller: Person, read: Read) -> Page[schemas.WorkspaceView]:
    """Your workspaces, all in one page. Send the id of one as `X-Workspace` to use it; the first is the default."""
    rows = await service.all_of(read, caller)
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
    await recorded.on_workspace(
        tx, caller, Action.WORKSPACE_CREATED, workspace_id, after={"name": body.name}
    )
    rows = await service.all_of(tx, caller)
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
    before = (await service.one(tx, caller)).name
    await service.rename(tx, caller, name=body.name)
    await recorded.on_workspace(
        tx,
        caller,
        Action.WORKSPACE_UPDATED,
        caller.workspace_id,
        before={"name": before},
        after={"name": body.name},
    )
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
        done = await workspaces.delete(tx, caller, name=body.name)
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
    row = await service.member(tx, caller, caller.user_id)
    done = await service.leave(tx, caller)
    await recorded.removed(tx, caller, row.id, row.email, done.facts)
    tx.after_commit(lambda: doors.authenticator.forget(caller.user_id))
    return _removed(caller.user_id, done)


@members.get("/workspace/members", responses=problems(ScopeMissing))
async def list_members(
    caller: Annotated[Actor, needs(Scope.ACCOUNT_READ)], read: Read, page: PageQuery
) -> Page[schemas.MemberView]:
    """The members of the workspace, the newest account first."""
    rows = await service.page(read, caller, before=page.before, limit=page.fetch)
    return page.page(rows, _member, lambda row: row.id)


@members.patch(
    "/workspace/members/{user_id}", responses=problems(*_ADMIN_ONLY, MemberNotFound, LastOwner)
)
async def update_member(
    caller: WorkspaceAdmin, tx: Tx, doors: DoorsDep, user_id: UUID, body: schemas.RoleChange
) -> schemas.MemberView:
    """Change the role of a member. Requires the role `admin`; only owners can make or change owners."""
    before = (await service.member(tx, caller, user_id)).role
    row = await service.change_role(tx, caller, user_id, body.role)
    if row.role != before:
        await recorded.role_changed(tx, caller, row.id, row.email, before, row.role)
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
    row = await service.member(tx, caller, user_id)
    done = await service.remove(tx, caller, user_id)
    await recorded.removed(tx, caller, row.id, row.email, done.facts)
    tx.after_commit(lambda: doors.authenticator.forget(user_id))
    return _removed(user_id, done)


@service_keys.get("/workspace/service-keys", responses=problems(*_ADMIN_ONLY))
async def list_service_keys(
    caller: WorkspaceAdmin, read: Read, page: PageQuery
) -> Page[schemas.ServiceKeyView]:
    """The service keys of the workspace. Requires the role `admin`."""
    rows = await keys.page(read, keys.service(caller), before=page.before, limit=page.fetch)
    return page.page(rows, schemas.ServiceKeyView.model_validate, lambda row: row.id)


@service_keys.post(
    "/workspace/service-keys",
    status_code=201,
    responses=problems(
        *_ADMIN_ONLY, CredentialInvalid, EmailUnverified, KeyExpiryPast, PlanKeysExceeded
    ),
)
async def create_service_key(
    caller: WorkspaceAdmin, services: ServicesDep, tx: Tx, body: account_schemas.NewApiKey
) -> schemas.CreatedServiceKey:
    """Create a key that belongs to the workspace and not to a person. Requires the role `admin`. Shown only once: copy it."""
    # Accounts before memberships, as everywhere.
    await current_rights.require_verified(tx, services.settings, caller)
    await service.require_role(tx, caller, Role.ADMIN)
    made = await keys.create(
        tx,
        caller,
        keys.service(caller),
        name=body.name,
        scopes=body.scopes,
        expires_at=body.expires_at,
        plan=services.plans.get(caller.plan),
    )
    await recorded.on_service_key(tx, caller, Action.SERVICE_KEY_CREATED, made.row)
    shown = schemas.ServiceKeyView.model_validate(made.row).model_dump()
    return schemas.CreatedServiceKey(**shown, key=made.text)


@service_keys.delete(
    "/workspace/service-keys/{key_id}", responses=problems(*_ADMIN_ONLY, KeyNotFound)
)
async def revoke_service_key(
    caller: WorkspaceAdmin, tx: Tx, doors: DoorsDep, key_id: UUID
) -> account_schemas.DeletedApiKey:
    """Revoke a service key. Requires the role `admin`."""
    row = await keys.revoke(tx, caller, keys.service(caller), key_id)
    await recorded.on_service_key(tx, caller, Action.SERVICE_KEY_REVOKED, row)
    tx.after_commit(lambda: doors.authenticator.forget(key_id))
    return account_schemas.DeletedApiKey(id=key_id)


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
