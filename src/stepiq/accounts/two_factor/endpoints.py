"""Routes of two-factor sign-in."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Request
from pydantic import StringConstraints

from stepiq.accounts import recorded
from stepiq.accounts.actor import Actor
from stepiq.accounts.audit.actions import Action
from stepiq.accounts.authentication import current_rights
from stepiq.accounts.emails import notices
from stepiq.accounts.errors import (
    AdminRequired,
    Busy,
    CredentialInvalid,
    EmailUnverified,
    OwnAccount,
    PasswordWrong,
    SessionRequired,
    TooManyAttempts,
    UserNotFound,
)
from stepiq.accounts.http import Administrator, AuthServices, DoorsDep, Person
from stepiq.accounts.schemas import Code
from stepiq.accounts.sessions.reauthentication import check_password
from stepiq.accounts.two_factor import service
from stepiq.accounts.two_factor.service import (
    CodeWrong,
    PasswordRequired,
    TotpEnabled,
    TotpNotBegun,
    TotpNotEnabled,
)
from stepiq.core.keys.encryption import SecretUnreadable
from stepiq.web.bodies import StrictModel, Timestamp, View
from stepiq.web.bodies import router as new_router
from stepiq.web.problems import problems
from stepiq.web.services import Services, ServicesDep
from stepiq.web.transactions import Read, Tx

_Password = Annotated[str, StringConstraints(max_length=1_024)]


class TotpView(View):
    """Whether the account has two-factor sign-in."""

    enabled: bool
    enabled_at: Timestamp | None
    recovery_codes_left: int
    """Recovery codes that were not used."""


class TotpBegin(StrictModel):
    """Proof that the caller is the owner of the account."""

    password: _Password | None = None
    """Required if the session began more than 15 minutes ago."""


class TotpSecretView(View):
    """The secret for an authenticator app, which is shown only once."""

    secret: str
    """In base 32, to type it in."""
    otpauth_uri: str
    """The address that apps read from a QR code. It contains the secret."""


class TotpConfirmation(StrictModel):
    """A code that proves that the app has the secret."""

    code: Code


class TotpProof(StrictModel):
    """Proof that the caller is the owner of the account and has the second factor."""

    password: _Password | None = None
    """Required to turn two-factor sign-in off, and if the session began more than 15 minutes ago."""
    code: Code
    """The code of the authenticator app, or a recovery code."""


class RecoveryCodesView(View):
    """The recovery codes of the account, which are shown only once. Each works once."""

    recovery_codes: list[str]


class DeletedTotpView(View):
    """The account without two-factor sign-in."""

    id: UUID
    deleted: Literal[True] = True


PATH = "/user/totp"

router = new_router("Two factor")
administration = new_router("Users")

_CHANGES = problems(
    SessionRequired,
    PasswordRequired,
    PasswordWrong,
    CodeWrong,
    TotpEnabled,
    TotpNotEnabled,
    TotpNotBegun,
    CredentialInvalid,
    EmailUnverified,
    TooManyAttempts,
    SecretUnreadable,
    Busy,
)
"""The errors of all routes that change the second factor. With one list, the OpenAPI document describes them once."""

# Responses with secrets and codes must not be stored for repeated requests, so these routes open their transactions
# themselves.


@router.get(PATH, responses=problems(SessionRequired))
async def read_status(caller: Person, read: Read) -> TotpView:
    """Whether your account has two-factor sign-in."""
    found = await service.status(read, caller)
    return TotpView(
        enabled=found.enabled_at is not None,
        enabled_at=found.enabled_at,
        recovery_codes_left=found.recovery_codes_left,
    )


@router.post(
    PATH,
    responses=_CHANGES,
)
async def begin(
    request: Request,
    caller: Person,
    services: ServicesDep,
    doors: DoorsDep,
    body: TotpBegin | None = None,
) -> TotpSecretView:
    """Create a secret for an authenticator app. Two-factor sign-in is on after you confirm it within an hour."""
    await _prove(request, services, doors, caller, None if body is None else body.password)
    async with services.database.transaction() as tx:
        await current_rights.require_verified(tx, services.settings, caller)
        made = await service.begin(
            tx, services.keyring, caller, base_url=services.settings.base_url
        )
    return TotpSecretView(secret=made.secret, otpauth_uri=made.uri)


@router.post(
    f"{PATH}/confirm",
    responses=_CHANGES,
)
async def confirm(
    caller: Person, services: ServicesDep, doors: DoorsDep, body: TotpConfirmation
) -> RecoveryCodesView:
    """Turn two-factor sign-in on with a code of the app. The recovery codes are shown only in this response."""
    async with _counted(doors, caller), services.database.transaction() as tx:
        await current_rights.require_verified(tx, services.settings, caller)
        user, made = await service.confirm(tx, services.keyring, caller, body.code)
        await recorded.on_self(tx, caller, Action.TWO_FACTOR_ENABLED)
    notice = notices.two_factor_on(services.settings.base_url, user.email)
    doors.notices.send(user.id, notice, is_verified=user.is_verified)
    return RecoveryCodesView(recovery_codes=made)


@router.post(
    f"{PATH}/recovery-codes",
    responses=_CHANGES,
)
async def replace_recovery_codes(
    request: Request,
    caller: Person,
    services: ServicesDep,
    doors: DoorsDep,
    body: TotpProof,
) -> RecoveryCodesView:
    """Replace your recovery codes. The new ones are shown only in this response, and the old ones stop working."""
    await _prove(request, services, doors, caller, body.password)
    async with _counted(doors, caller), services.database.transaction() as tx:
        made = await service.replace_codes(tx, services.keyring, caller, body.code)
        await recorded.on_self(tx, caller, Action.TWO_FACTOR_CODES_CREATED)
    return RecoveryCodesView(recovery_codes=made)


@router.delete(
    PATH,
    responses=_CHANGES,
)
async def turn_off(
    request: Request,
    caller: Person,
    services: ServicesDep,
    doors: DoorsDep,
    body: TotpProof,
) -> DeletedTotpView:
    """Turn two-factor sign-in off, with your password and a code. The recovery codes stop working.

    An account without a password needs a login within the last 15 minutes instead.
    """
    if body.password is None:
        async with services.database.reading() as read:
            await service.require_no_password(read, caller)
    await _prove(request, services, doors, caller, body.password)
    async with _counted(doors, caller), services.database.transaction() as tx:
        user = await service.turn_off(tx, services.keyring, caller, body.code)
        await recorded.on_self(tx, caller, Action.TWO_FACTOR_DISABLED)
    notice = notices.two_factor_off(services.settings.base_url, user.email)
    doors.notices.send(user.id, notice, is_verified=user.is_verified)
    return DeletedTotpView(id=user.id)


@administration.delete(
    "/admin/users/{user_id}/totp",
    responses=problems(SessionRequired, AdminRequired, UserNotFound, OwnAccount, TotpNotEnabled),
)
async def reset_two_factor(
    caller: Administrator, services: ServicesDep, tx: Tx, doors: DoorsDep, user_id: UUID
) -> DeletedTotpView:
    """Turn off two-factor sign-in of an account."""
    if user_id == caller.user_id:
        raise OwnAccount
    await current_rights.require_administrator(tx, caller)
    user = await service.reset(tx, user_id)
    await recorded.on_user(tx, caller, Action.TWO_FACTOR_DISABLED, user.id, user.email)
    base_url = services.settings.base_url
    notice = notices.two_factor_off(base_url, user.email, by_operator=True)
    tx.after_commit(lambda: doors.notices.send(user.id, notice, is_verified=user.is_verified))
    return DeletedTotpView(id=user_id)


async def _prove(
    request: Request, services: Services, doors: AuthServices, caller: Actor, password: str | None
) -> None:
    """Require the password, or a recent login."""
    if password is not None:
        await check_password(request, services, doors, caller, password, field="password")
        return
    async with services.database.reading() as read:
        await service.require_recent(read, caller)


@asynccontextmanager
async def _counted(doors: AuthServices, caller: Actor) -> AsyncGenerator[None]:
    """Count wrong codes of the account's sessions together."""
    async with doors.codes.attempt(str(caller.user_id), "session") as attempt:
        try:
            yield
        except CodeWrong:
            attempt.count()
            raise
