"""Checks in the transaction what this process may have trusted for a few seconds.

For what outlasts the rights of the caller, such as a key or another administrator.
"""

from stepiq.accounts.actor import Actor
from stepiq.accounts.emails import verification
from stepiq.accounts.errors import AdminRequired, CredentialInvalid
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import keys as key_queries
from stepiq.accounts.queries import sessions as session_queries
from stepiq.core import clock
from stepiq.core.settings.model import Settings
from stepiq.store.database import Session


async def require_session(session: Session, actor: Actor) -> None:
    """Check that the actor's session has not ended.

    Raises:
        CredentialInvalid: it has ended, for example by a password reset.
    """
    # Waits for a transaction that ends the session, and then reads it.
    await account_queries.lock_user(session, actor.user_id, to_change=False)
    await _require_live(session, actor)


async def require_verified(session: Session, settings: Settings, actor: Actor) -> None:
    """Check that the actor may create what works without its credential, such as a schedule.

    Someone else may have registered the address of the account. Call it before other rows are locked, or with a lock that no
    reset of a password waits for.

    Raises:
        EmailUnverified: this server verifies addresses, and the one of the account is not verified.
        CredentialInvalid: the session or the key has ended.
    """
    await require_session(session, actor)
    used = [] if actor.key_id is None else [actor.key_id]
    if len(await key_queries.live_ids(session, used, clock.now())) < len(used):
        raise CredentialInvalid("The API key is unknown, expired or revoked.")
    if settings.verifies_addresses:
        await verification.require_verified(session, actor.user_id)


async def require_administrator(session: Session, actor: Actor) -> None:
    """Check that the actor is an administrator of the server with a session. Call it before other rows are locked.

    Raises:
        AdminRequired: the actor is no longer an administrator.
        CredentialInvalid: the session has ended.
    """
    if actor.user_id not in await account_queries.lock_administrators(session):
        raise AdminRequired
    await _require_live(session, actor)


async def _require_live(session: Session, actor: Actor) -> None:
    if actor.session_id is None:
        return
    if await session_queries.live(session, actor.session_id, clock.now()) is None:
        raise CredentialInvalid("The session has ended. Log in again.")
