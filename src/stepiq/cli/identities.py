"""The implementation of `stepiq users disconnect`."""

import asyncio

from stepiq.accounts.audit.records import OPERATOR
from stepiq.accounts.oidc import service
from stepiq.accounts.schemas import normalise_email
from stepiq.accounts.service import user_named
from stepiq.cli import database
from stepiq.cli.console import UsageError, print_text
from stepiq.core.settings import Settings
from stepiq.server.assembly import built


def disconnect(email: str) -> None:
    """Disconnect all identities of an account.

    Raises:
        UsageError: the address is not valid.
        StoreMissing: the configured database does not exist.
        AccountNotFound: see the class.
    """
    try:
        address = normalise_email(email)
    except ValueError as error:
        raise UsageError(f"{email}: {str(error)[:1].upper()}{str(error)[1:]}.") from None
    configured = database.load_settings()
    count = asyncio.run(disconnect_account(configured, address))
    print_text(f"Disconnected {address}. Identities: {count}.")


async def disconnect_account(configured: Settings, email: str) -> int:
    """Disconnect all identities of an account, and return their number. The server can be running."""
    async with built(configured) as services, services.database.transaction() as session:
        account = await user_named(session, email)
        return await service.disconnect_all(session, OPERATOR, account.id)
