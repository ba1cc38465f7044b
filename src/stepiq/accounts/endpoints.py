"""Routes of accounts: register, log in, who am I, API keys."""

import hmac
from typing import Annotated
from uuid import UUID

from fastapi import Request

from stepiq.accounts import schemas, service
from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.errors import (
    CredentialInvalid,
    EmailTaken,
    KeyExpiryPast,
    KeyNotFound,
    LoginFailed,
    RegistrationClosed,
    RegistrationInviteOnly,
    ScopeMissing,
    SessionRequired,
    SetupRequired,
)
from stepiq.accounts.http import Doors, DoorsDep, Person, needs
from stepiq.accounts.origin import is_direct_loopback
from stepiq.accounts.tokens import ACCESS_LIFETIME
from stepiq.core.settings import Settings
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import Services, ServicesDep
from stepiq.web.transactions import Read, Tx

public = new_router("Accounts")
"""The routes that need no credential: the only ones under `/api`."""

router = new_router("Accounts")


@public.post(
    "/auth/register",
    status_code=201,
    responses=problems(EmailTaken, SetupRequired, RegistrationClosed, RegistrationInviteOnly),
)
async def register(
    request: Request, services: ServicesDep, doors: DoorsDep, body: schemas.Registration
) -> schemas.SessionView:
    """Create an account and log in.

    The server's first account is its administrator: it is registered from the server's own machine, or with the set-up token
    that `stepiq serve` prints.
    """
    # Hashing takes long: a transaction that waits for it would hold up every other writer.
    password_hash = await doors.passwords.hash(body.password)
    async with services.database.transaction() as tx:
        account = await service.register(
            tx,
            services.settings,
            email=body.email,
            name=body.name,
            password_hash=password_hash,
            is_operator=_is_operator(request, services.settings, doors, body.setup_token),
        )
        opened = await service.open_session(tx, account)
    return _session_view(services, doors, opened)


@public.post("/auth/login", responses=problems(LoginFailed))
async def login(services: ServicesDep, doors: DoorsDep, body: schemas.Login) -> schemas.SessionView:
    """Log in. Unknown addresses and wrong passwords get the same answer in the same time."""
    async with services.database.reading() as read:
        found = await service.find_by_email(read, body.email)
    stored = None if found is None else found[1]
    if not await doors.passwords.verify(body.password, stored) or found is None:
        raise LoginFailed
    async with services.database.transaction() as tx:
        opened = await service.open_session(tx, found[0])
    return _session_view(services, doors, opened)


@router.get("/user/me", responses=problems(CredentialInvalid, ScopeMissing))
async def me(
    caller: Annotated[Actor, needs(Scope.ACCOUNT_READ)], services: ServicesDep, read: Read
) -> schemas.UserView:
    """The account that the credential belongs to, and what its plan allows."""
    return _user_view(services, await service.me(read, caller))


@router.get("/user/api-keys", responses=problems(ScopeMissing))
async def list_keys(
    caller: Annotated[Actor, needs(Scope.ACCOUNT_READ)], read: Read, page: PageQuery
) -> Page[schemas.KeyView]:
    """The account's API keys, newest first, without the keys themselves."""
    rows = await service.list_keys(read, caller, before=page.before, limit=page.fetch)
    return page.page(rows, schemas.KeyView.model_validate, lambda row: row.id)


@router.post("/user/api-keys", status_code=201, responses=problems(SessionRequired, KeyExpiryPast))
async def create_key(caller: Person, tx: Tx, body: schemas.NewKey) -> schemas.CreatedKey:
    """Create an API key. Its text is shown this once; copy it."""
    made = await service.create_key(
        tx, caller, name=body.name, scopes=body.scopes, expires_at=body.expires_at
    )
    shown = schemas.KeyView.model_validate(made.row).model_dump()
    return schemas.CreatedKey(**shown, key=made.text)


@router.delete("/user/api-keys/{key_id}", responses=problems(SessionRequired, KeyNotFound))
async def revoke_key(caller: Person, tx: Tx, doors: DoorsDep, key_id: UUID) -> schemas.Deleted:
    """Revoke an API key: it is refused from now on."""
    await service.revoke_key(tx, caller, key_id)
    tx.after_commit(lambda: doors.authenticator.forget(key_id))
    return schemas.Deleted(id=key_id)


def _is_operator(request: Request, settings: Settings, doors: Doors, given: str | None) -> bool:
    if given is None:
        return not settings.is_behind_proxy and is_direct_loopback(request)
    expected = service.setup_token(doors.jwt_secret)
    return hmac.compare_digest(given.encode(), expected.encode())


def _session_view(
    services: Services, doors: Doors, opened: service.SignedIn
) -> schemas.SessionView:
    return schemas.SessionView(
        user=_user_view(services, opened.account),
        token=doors.tokens.issue(opened.account.id, opened.session_id),
        refresh_token=opened.refresh_token,
        expires_in=int(ACCESS_LIFETIME.total_seconds()),
    )


def _user_view(services: Services, account: service.Account) -> schemas.UserView:
    limits = dict(services.plans.get(account.plan).limits)
    return schemas.UserView(
        id=account.id,
        email=account.email,
        name=account.name,
        plan=account.plan,
        limits=limits,
        # Nothing is counted against the month yet, so all of it is left.
        credits_remaining=limits.get("credits_per_month"),
        is_admin=account.is_admin,
        created_at=account.created_at,
    )
