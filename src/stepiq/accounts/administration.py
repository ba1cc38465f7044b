"""Routes of the server's administrators."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from stepiq.accounts import disabling, recorded, schemas
from stepiq.accounts.audit.actions import Action
from stepiq.accounts.errors import AdminRequired, OwnAccount, SessionRequired, UserNotFound
from stepiq.accounts.http import Administrator, DoorsDep
from stepiq.accounts.queries import accounts as account_queries
from stepiq.store.database import Session
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep
from stepiq.web.transactions import Read

router = new_router("Users")


@router.get("/admin/users", responses=problems(SessionRequired, AdminRequired))
async def list_users(
    _caller: Administrator,
    read: Read,
    page: PageQuery,
    email: Annotated[
        schemas.Email | None, Query(description="Only the account with this address.")
    ] = None,
) -> Page[schemas.AdminUserView]:
    """All accounts of the server, newest first. Only administrators can list them."""
    rows = await account_queries.page(read, email=email, before=page.before, limit=page.fetch)
    return page.page(rows, _view, lambda row: row.id)


@router.patch(
    "/admin/users/{user_id}",
    responses=problems(SessionRequired, AdminRequired, UserNotFound, OwnAccount),
)
async def update_user(
    caller: Administrator,
    services: ServicesDep,
    doors: DoorsDep,
    user_id: UUID,
    body: schemas.UserChange,
) -> schemas.AdminUserView:
    """Disable or enable an account. Only administrators can do this.

    Disabling ends its sessions and streams and refuses its personal keys, in every process within five seconds. Workspaces without
    another enabled member stop: their unfinished runs are cancelled, and their schedules and deliveries stop.
    """
    if user_id == caller.user_id:
        raise OwnAccount
    async with services.database.transaction() as tx:
        row = await _find(tx, user_id)
        if body.disabled:
            await disabling.disable(tx, user_id)
        else:
            await disabling.enable(tx, user_id)
        action = Action.USER_DISABLED if body.disabled else Action.USER_ENABLED
        await recorded.on_user(tx, caller, action, user_id, row.email)
        tx.after_commit(lambda: doors.authenticator.forget(user_id))
    if body.disabled:
        await disabling.cancel_runs(services.database, services.engine, user_id)
    async with services.database.reading() as read:
        return _view(await _find(read, user_id))


async def _find(session: Session, user_id: UUID) -> account_queries.Row:
    row = await account_queries.any_by_id(session, user_id)
    if row is None:
        raise UserNotFound(user_id)
    return row


def _view(row: account_queries.Row) -> schemas.AdminUserView:
    return schemas.AdminUserView(
        id=row.id,
        email=row.email,
        email_verified=row.email_verified_at is not None,
        name=row.name,
        plan=row.plan,
        is_admin=row.is_admin,
        disabled=row.disabled_at is not None,
        created_at=row.created_at,
    )
