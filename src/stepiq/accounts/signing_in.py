"""Signing in with a password, for the routes that open a session."""

from fastapi import Request

from stepiq.accounts import recorded, schemas, service
from stepiq.accounts.audit.http import AUDIT
from stepiq.accounts.audit.records import person
from stepiq.accounts.errors import LoginFailed
from stepiq.accounts.http import AuthServices
from stepiq.accounts.origin import client_of
from stepiq.accounts.workspaces import recorded as workspaces
from stepiq.web.services import Services


async def sign_in(
    request: Request, services: Services, doors: AuthServices, body: schemas.Login
) -> service.SignedIn:
    """Check the password within the limits of failed logins, and open a session.

    Raises:
        LoginFailed: the address or the password is wrong.
        TooManyAttempts: the limit of the account, the client or its network is reached.
        Busy: too many logins are waiting.
        InvitationInvalid: the invitation is not valid for this address.
        NoWorkspace: the account is not a member of any workspace.
    """
    client = client_of(request)
    with doors.logins.attempt((body.email, client)) as attempt:
        async with services.database.reading() as read:
            is_known = await doors.known_clients.knows(read, body.email, client)
            found = await service.find_by_email(read, body.email)
        stored = None if found is None else found.password_hash
        async with doors.sprays.attempt(client, is_known=is_known) as sprays:
            matches = await doors.passwords.verify(
                body.password, stored, client=client, is_known=is_known
            )
            if not matches or found is None:
                for each in (attempt, *sprays):
                    each.count()
                account = (
                    None
                    if found is None or found.workspace_id is None
                    else service.account_of(found)
                )
                entry = recorded.refused(body.email, account, reason="password")
                await AUDIT.get(request.app).record([entry], entry.workspace_id)
                raise LoginFailed
        attempt.clear()
    async with services.database.transaction() as tx:
        if body.invitation is not None:
            invitation = await service.spend_invitation(tx, body.invitation, body.email)
            if invitation.workspace_id is not None and await service.join(tx, found.id, invitation):
                by = person(found.id, found.email, invitation.workspace_id)
                await workspaces.joined(tx, by, found.id, found.email, invitation)
        opened = await service.open_session(tx, found.id, checked_hash=stored)
        await doors.known_clients.remember(tx, found.id, body.email, client)
        await recorded.signed_in(tx, opened, method="password")
    return opened
