"""Checks in the transaction what this process may have trusted for a few seconds.

For what outlasts the rights of the caller, such as a key or another administrator.
"""

from stepiq.accounts.actor import Actor
from stepiq.accounts.errors import AdminRequired, CredentialInvalid
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import sessions as session_queries
from stepiq.core import clock
from stepiq.store.database import Session


async def require_session(session: Session, actor: Actor) -> None:
    """Check that the actor's session has not ended.

    Raises:
        CredentialInvalid: it has ended, for example by a password reset.
    """
    # Waits for a transaction that ends the session, and then reads it.
    await account_queries.lock_user(session, actor.user_id, to_change=False)
    await _require_live(session, actor)


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
