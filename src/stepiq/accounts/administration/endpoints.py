"""Routes with which administrators of the server manage users."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Response
from fastapi.responses import JSONResponse

from stepiq.accounts.administration import queries, service
from stepiq.accounts.administration.queries import Data, UserFilter
from stepiq.accounts.administration.service import LastAdministrator, OwnsWorkspaces
from stepiq.accounts.authentication import current_rights, disabling
from stepiq.accounts.errors import AdminRequired, OwnAccount, SessionRequired, UserNotFound
from stepiq.accounts.http import Administrator, DoorsDep
from stepiq.accounts.schemas import Email
from stepiq.core import clock
from stepiq.store.database import Session
from stepiq.store.states import Role
from stepiq.web.bodies import FROM_TEXT, StrictModel, Timestamp, View
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep
from stepiq.web.transactions import OwnTx, Read


class UserChange(StrictModel):
    """Changes of an account by an administrator. Omitted fields and null leave a value unchanged."""

    disabled: bool | None = None
    """Whether to disable the account."""
    is_admin: bool | None = None
    """Whether it is an administrator of the server."""
    email_verified: Literal[True] | None = None
    """True marks the address as verified."""


class AdminUserView(View):
    """An account as administrators see it."""

    id: UUID
    email: str
    email_verified: bool
    name: str
    plan: str | None
    """The plan of the account's first workspace. Null if it is not a member of any."""
    workspaces: int
    """Number of workspaces of which it is a member."""
    is_admin: bool
    disabled: bool
    """Whether the account is disabled."""
    created_at: Timestamp


class UserWorkspaceView(View):
    """A workspace of an account."""

    id: UUID
    name: str
    role: Role
    members: int
    owners: int


class AdminUserDetailView(AdminUserView):
    """An account with its workspaces and credentials."""

    memberships: list[UserWorkspaceView]
    """The first workspace first."""
    sessions: int
    """Sessions that have not ended."""
    api_keys: int
    """Personal API keys that work."""
    two_factor: bool
    """Whether it has two-factor sign-in."""


class UserDeletion(StrictModel):
    """What happens to the data of a deleted account."""

    data: Annotated[Data, FROM_TEXT]
    """`erase` also erases the workspaces that have no other member."""


class DeletedUserView(View):
    """A deleted account."""

    id: UUID
    deleted: Literal[True] = True
    data: Data
    sessions_ended: int
    api_keys_revoked: int
    workspaces_left: list[UUID]
    """Workspaces that no longer have a member. With `erase`, they are being erased."""


class PasswordLinkView(View):
    """A link with which the user sets a new password, once."""

    link: str
    """Shown only in this response."""
    expires_at: Timestamp
    emailed: bool
    """Whether it was also sent to the address of the account."""


router = new_router("Users")

_REFUSALS = (SessionRequired, AdminRequired, UserNotFound)


@router.get("/admin/users", responses=problems(SessionRequired, AdminRequired))
async def list_users(
    _caller: Administrator,
    read: Read,
    page: PageQuery,
    email: Annotated[Email | None, Query(description="Only the account with this address.")] = None,
    q: Annotated[
        str | None, Query(max_length=200, description="A part of the address or the name.")
    ] = None,
    disabled: Annotated[
        bool | None, Query(description="Only disabled accounts, or only enabled ones.")
    ] = None,
    is_admin: Annotated[
        bool | None, Query(description="Only administrators, or only other accounts.")
    ] = None,
) -> Page[AdminUserView]:
    """All accounts of the server, newest first. Only administrators can list them."""
    wanted = UserFilter(email, q, disabled, is_admin)
    rows = await queries.page(read, wanted, before=page.before, limit=page.fetch)
    return page.page(rows, AdminUserView.model_validate, lambda row: row.id)


@router.get("/admin/users/{user_id}", responses=problems(*_REFUSALS))
async def get_user(_caller: Administrator, read: Read, user_id: UUID) -> AdminUserDetailView:
    """An account with its workspaces and the numbers of its credentials."""
    return await _detail(read, user_id)


@router.patch(
    "/admin/users/{user_id}", responses=problems(*_REFUSALS, OwnAccount, LastAdministrator)
)
async def update_user(
    caller: Administrator,
    services: ServicesDep,
    doors: DoorsDep,
    user_id: UUID,
    body: UserChange,
) -> AdminUserDetailView:
    """Disable or enable an account, make it an administrator of the server, or verify its address.

    Disabling ends its sessions, streams and personal keys within five seconds. Workspaces without
    another enabled member stop, and their unfinished runs are cancelled.
    """
    if user_id == caller.user_id and (body.disabled is not None or body.is_admin is not None):
        raise OwnAccount
    async with services.database.transaction() as tx:
        await current_rights.require_administrator(tx, caller)
        before = await queries.find(tx, user_id)
        if body.email_verified:
            await service.verify(tx, user_id)
        if body.is_admin is not None:
            await service.set_admin(tx, user_id, is_admin=body.is_admin)
        if body.disabled is not None:
            await (service.disable if body.disabled else service.enable)(tx, user_id)
        await service.record_change(tx, caller, before, await queries.find(tx, user_id))
        tx.after_commit(lambda: doors.authenticator.forget(user_id))
    if body.disabled:
        stopped = await disabling.stopped_workspaces(services.database, user_id)
        await disabling.stop(stopped, doors.authenticator, services.database, services.engine)
    async with services.database.reading() as read:
        return await _detail(read, user_id)


@router.delete(
    "/admin/users/{user_id}",
    responses=problems(*_REFUSALS, OwnAccount, LastAdministrator, OwnsWorkspaces),
)
async def delete_user(
    caller: Administrator,
    services: ServicesDep,
    doors: DoorsDep,
    user_id: UUID,
    body: UserDeletion,
) -> DeletedUserView:
    """Delete an account. It cannot be restored.

    Ends all access, and replaces the address and the name. Workspaces with other members stay. Those without stay with `keep`, without
    members; with `erase`, all their data is deleted in the background.
    """
    if user_id == caller.user_id:
        raise OwnAccount
    async with services.database.transaction() as tx:
        await current_rights.require_administrator(tx, caller)
        done = await service.delete(tx, caller, user_id, body.data)
        tx.after_commit(lambda: doors.authenticator.forget(user_id))
    await disabling.stop(done.left, doors.authenticator, services.database, services.engine)
    return DeletedUserView(
        id=user_id,
        data=body.data,
        sessions_ended=done.sessions_ended,
        api_keys_revoked=done.api_keys_revoked,
        workspaces_left=done.left,
    )


@router.post(
    "/admin/users/{user_id}/reset",
    response_model=PasswordLinkView,
    responses=problems(*_REFUSALS),
)
async def create_reset_link(
    caller: Administrator, services: ServicesDep, own_tx: OwnTx, user_id: UUID
) -> Response:
    """Create a link to set a new password within 24 hours, and email it."""
    base_url = services.settings.base_url
    async with own_tx.held():
        async with own_tx() as tx:
            await current_rights.require_administrator(tx, caller)
            made = await service.reset(tx, caller, user_id, base_url)
            view = PasswordLinkView(link=made.link, expires_at=made.expires_at, emailed=False)
            # What a repetition of the request gets if this process ends before it has sent the email.
            await own_tx.answer(view, 200)
        emailed = await service.send_reset(services.mailer, base_url, made)
        sent = view.model_copy(update={"emailed": emailed})
        return await own_tx.replace(JSONResponse(sent.model_dump(mode="json")))


async def _detail(session: Session, user_id: UUID) -> AdminUserDetailView:
    row: Any = await queries.find(session, user_id)
    if row is None:
        raise UserNotFound(user_id)
    counted = await queries.counts(session, user_id, clock.now())
    own = await queries.memberships_of(session, user_id)
    return AdminUserDetailView.model_validate(
        {
            **row._mapping,
            "memberships": [UserWorkspaceView.model_validate(each) for each in own],
            "sessions": counted.sessions,
            "api_keys": counted.api_keys,
            "two_factor": counted.two_factor,
        }
    )
