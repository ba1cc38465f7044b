"""Signing in with a password, for the routes that open a session."""

from fastapi import Request

from stepiq.accounts import recorded, schemas, service
from stepiq.accounts.audit.http import AUDIT
from stepiq.accounts.errors import LoginFailed
from stepiq.accounts.http import AuthServices
from stepiq.accounts.origin import client_of
from stepiq.web.services import Services


async def sign_in(
    request: Request, services: Services, doors: AuthServices, body: schemas.Login
) -> service.SignedIn:
    """Check the password within the limits of failed logins, and open a session.

    Raises:
        LoginFailed: the address or the password is wrong.
        TooManyAttempts: the limit of the account, the client or its network is reached.
        Busy: too many logins are waiting.
    """
    client = client_of(request)
    with doors.logins.attempt((body.email, client)) as attempt:
        async with services.database.reading() as read:
            is_known = await doors.known_clients.knows(read, body.email, client)
            found = await service.find_by_email(read, body.email)
        stored = None if found is None else found[1]
        async with doors.sprays.attempt(client, is_known=is_known) as sprays:
            matches = await doors.passwords.verify(
                body.password, stored, client=client, is_known=is_known
            )
            if not matches or found is None:
                for each in (attempt, *sprays):
                    each.count()
                account = None if found is None else found[0]
                entry = recorded.refused(body.email, account, reason="password")
                await AUDIT.get(request.app).record([entry], entry.workspace_id)
                raise LoginFailed
        attempt.clear()
    async with services.database.transaction() as tx:
        opened = await service.open_session(tx, found[0], checked_hash=stored)
        await doors.known_clients.remember(tx, found[0].id, body.email, client)
        await recorded.signed_in(tx, opened, method="password")
    return opened
