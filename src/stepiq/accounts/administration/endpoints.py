"""Routes with which administrators of the server manage users."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from fastapi.responses import JSONResponse

from stepiq.accounts.administration import queries, recorded, schemas, service
from stepiq.accounts.administration.errors import LastAdministrator, OwnsWorkspaces
from stepiq.accounts.administration.records import UserFilter
from stepiq.accounts.authentication import current_rights, disabling
from stepiq.accounts.errors import AdminRequired, OwnAccount, SessionRequired, UserNotFound
from stepiq.accounts.http import Administrator, DoorsDep
from stepiq.accounts.schemas import Email
from stepiq.core import clock
from stepiq.store.database import Session
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep
from stepiq.web.transactions import OwnTx, Read

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
) -> Page[schemas.AdminUserView]:
    """All accounts of the server, newest first. Only administrators can list them."""
    wanted = UserFilter(email, q, disabled, is_admin)
    rows = await queries.page(read, wanted, before=page.before, limit=page.fetch)
    return page.page(rows, schemas.AdminUserView.model_validate, lambda row: row.id)


@router.get("/admin/users/{user_id}", responses=problems(*_REFUSALS))
async def get_user(
    _caller: Administrator, read: Read, user_id: UUID
) -> schemas.AdminUserDetailView:
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
    body: schemas.UserChange,
) -> schemas.AdminUserDetailView:
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
        await recorded.changed(tx, caller, before, await queries.find(tx, user_id))
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
    body: schemas.UserDeletion,
) -> schemas.DeletedUserView:
    """Delete an account. It cannot be restored.

    Ends all access, and replaces the address and the name. Workspaces with other members stay. Those without stay with `keep`, without
    members; with `erase`, all their data is deleted in the background.
    """
    if user_id == caller.user_id:
        raise OwnAccount
    async with services.database.transaction() as tx:
        await current_rights.require_administrator(tx, caller)
        done = await service.delete(tx, user_id, body.data)
        await recorded.deleted(tx, caller, user_id, body.data, done)
        tx.after_commit(lambda: doors.authenticator.forget(user_id))
    await disabling.stop(done.left, doors.authenticator, services.database, services.engine)
    return schemas.DeletedUserView(
        id=user_id,
        data=body.data,
        sessions_ended=done.sessions_ended,
        api_keys_revoked=done.api_keys_revoked,
        workspaces_left=done.left,
    )


@router.post(
    "/admin/users/{user_id}/reset",
    response_model=schemas.PasswordLinkView,
    responses=problems(*_REFUSALS),
)
async def create_reset_link(
    caller: Administrator, services: ServicesDep, own_tx: OwnTx, user_id: UUID
) -> Response:
    """Create a link with which the user sets a new password within 24 hours, and email it if there is a mail server."""
    base_url = services.settings.base_url
    async with own_tx.held():
        async with own_tx() as tx:
            await current_rights.require_administrator(tx, caller)
            made = await service.reset(tx, user_id, base_url)
            await recorded.reset(tx, caller, user_id, made.email)
            view = schemas.PasswordLinkView(
                link=made.link, expires_at=made.expires_at, emailed=False
            )
            # What a repetition of the request gets if this process ends before it has sent the email.
            await own_tx.answer(view, 200)
        emailed = await service.send_reset(services.mailer, base_url, made)
        sent = view.model_copy(update={"emailed": emailed})
        return await own_tx.replace(JSONResponse(sent.model_dump(mode="json")))


async def _detail(session: Session, user_id: UUID) -> schemas.AdminUserDetailView:
    row: Any = await queries.find(session, user_id)
    if row is None:
        raise UserNotFound(user_id)
    counted = await queries.counts(session, user_id, clock.now())
    own = await queries.memberships_of(session, user_id)
    return schemas.AdminUserDetailView.model_validate(
        {
            **row._mapping,
            "memberships": [schemas.UserWorkspaceView.model_validate(each) for each in own],
            "sessions": counted.sessions,
            "api_keys": counted.api_keys,
            "two_factor": counted.two_factor,
        }
    )
