"""Signing in with a password and, if the account has one, a second factor, for the routes that open a session."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from stepiq.accounts import recorded, schemas, service
from stepiq.accounts.audit.records import person
from stepiq.accounts.authentication.throttle import LoginAttempt
from stepiq.accounts.credentials.origin import client_of, origin_of
from stepiq.accounts.devices import SessionOrigin
from stepiq.accounts.emails import notices
from stepiq.accounts.errors import Busy, LoginFailed, TooManyAttempts
from stepiq.accounts.http import AuthServices
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.two_factor import service as two_factor
from stepiq.accounts.two_factor.service import TotpWrong
from stepiq.web.services import Services

_REFUSAL_SECONDS = 1.0


async def sign_in(
    request: Request, services: Services, doors: AuthServices, body: schemas.Login
) -> service.SignedIn:
    """Check the password within the limits of failed logins, then the second factor, and open a session.

    Raises:
        LoginFailed: the address or the password is wrong.
        TotpRequired: the password is right, and the account also needs a code.
        TotpWrong: the password is right, and the code is wrong or used.
        TooManyAttempts: the limit of the account, the client or its network is reached. It and `Busy` are raised after a
            second, to limit the load from programs that guess passwords.
        Busy: too many logins are waiting.
        InvitationInvalid: the invitation is not valid for this address.
        NoWorkspace: the account is not a member of any workspace.
    """
    try:
        return await _sign_in(request, services, doors, body)
    except (TooManyAttempts, Busy):
        # Clients that are refused at once would try again at once.
        await asyncio.sleep(_REFUSAL_SECONDS)
        raise


async def _sign_in(
    request: Request, services: Services, doors: AuthServices, body: schemas.Login
) -> service.SignedIn:
    client = client_of(request)
    async with doors.logins.attempt(body.email, client) as attempt:
        async with services.database.reading() as read:
            is_known = await doors.known_clients.knows(read, body.email, client)
        async with doors.sprays.attempt(client, is_known=is_known) as sprays:
            async with services.database.reading() as read:
                found = await account_queries.account_by_email(read, body.email)
            stored = None if found is None else found.password_hash
            matches = await doors.passwords.verify(
                body.password, stored, client=client, is_known=is_known
            )
            if not matches or stored is None or found is None:
                _count(attempt, sprays)
                await _record_refusal(request, body.email, found, reason="password")
                raise LoginFailed
            proved = _Proved(found, stored, origin_of(request), is_known=is_known)
            try:
                opened = await _enter(services, doors, proved, body)
            except TotpWrong:
                _count(attempt, sprays)
                await _record_refusal(request, body.email, found, reason="code")
                raise
        await attempt.clear()
    return opened


@dataclass(frozen=True, slots=True)
class _Proved:
    """A caller whose password is right."""

    user: Any
    """The row of the account."""
    checked_hash: str
    origin: SessionOrigin
    is_known: bool


async def _enter(
    services: Services, doors: AuthServices, proved: _Proved, body: schemas.Login
) -> service.SignedIn:
    """Open a session, within the limit of wrong codes."""
    if body.code is None:
        return await _open(services, doors, proved, body)
    # An attacker with the password and many addresses shares one count. Clients that the account knows have their own, so
    # that the attacker does not lock them out.
    client = proved.origin.client if proved.is_known else ""
    async with doors.codes.attempt(str(proved.user.id), client) as attempt:
        try:
            return await _open(services, doors, proved, body)
        except TotpWrong:
            attempt.count()
            raise


async def _open(
    services: Services, doors: AuthServices, proved: _Proved, body: schemas.Login
) -> service.SignedIn:
    user, client = proved.user, proved.origin.client
    async with services.database.transaction() as tx:
        if body.invitation is not None:
            invitation = await service.spend_invitation(tx, body.invitation, body.email)
            if invitation.workspace_id is not None:
                by = person(user.id, user.email, invitation.workspace_id)
                await service.join(tx, by, user.id, user.email, invitation)
        # Locks the account, so that two-factor sign-in cannot be turned on before the session exists.
        opened = await service.open_session(
            tx, user.id, checked_hash=proved.checked_hash, origin=proved.origin
        )
        accepted = await two_factor.check_at_login(tx, services.keyring, user.id, body.code)
        await doors.known_clients.remember(tx, user.id, user.email, client)
        left = None if accepted is None else accepted.recovery_codes_left
        await recorded.signed_in(tx, opened, method=_method(accepted), codes_left=left)
    if left is not None:
        base_url = services.settings.base_url
        notice = notices.recovery_code_used(base_url, user.email, client=client, left=left)
        doors.notices.send(user.id, notice, is_verified=opened.account.email_verified)
    return opened


def _method(accepted: two_factor.Accepted | None) -> str:
    if accepted is None:
        return "password"
    return (
        "password and code"
        if accepted.recovery_codes_left is None
        else "password and recovery code"
    )


async def _record_refusal(request: Request, email: str, user: Any, *, reason: str) -> None:
    is_member = user is not None and user.workspace_id is not None
    account = service.account_of(user) if is_member else None
    entry = recorded.refused(email, account, reason=reason)
    await recorded.REFUSALS.get(request.app).record([entry], entry.workspace_id)


def _count(attempt: LoginAttempt, others: Sequence[LoginAttempt]) -> None:
    for each in (attempt, *others):
        each.count()
