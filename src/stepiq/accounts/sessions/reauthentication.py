"""Checks the password of a person who has a session, before changes of how the person signs in."""

from dataclasses import dataclass

from fastapi import Request

from stepiq.accounts import service
from stepiq.accounts.actor import Actor
from stepiq.accounts.credentials.origin import client_of
from stepiq.accounts.errors import PasswordWrong
from stepiq.accounts.http import AuthServices
from stepiq.web.services import Services


@dataclass(frozen=True, slots=True)
class CheckedPassword:
    """The account of a caller, whose password is right."""

    account: service.Account
    stored: str
    """The hash that the password was compared with. It can change until the next transaction."""


async def check_password(
    request: Request,
    services: Services,
    doors: AuthServices,
    caller: Actor,
    password: str,
    *,
    field: str,
) -> CheckedPassword:
    """Check the caller's password, within the limits of failed logins.

    `field` is the field of the body that contains the password.

    Raises:
        PasswordWrong: the password is wrong.
        TooManyAttempts: the limit of the account from this client, or of the session, is reached.
        CredentialInvalid: the account has been disabled.
        Busy: too many passwords are waiting.
    """
    client = client_of(request)
    async with services.database.reading() as read:
        account, stored = await service.with_password(read, caller)
    async with (
        doors.logins.attempt(account.email, client) as of_client,
        # A stolen session must not allow more guesses from other addresses.
        doors.logins.attempt(account.email, str(caller.session_id)) as of_session,
    ):
        if not await doors.passwords.verify(password, stored, client=client, is_known=True):
            of_client.count()
            of_session.count()
            raise PasswordWrong(field)
        await of_client.clear()
        await of_session.clear()
    return CheckedPassword(account, stored)
