"""Clients that have authenticated to an account before, with its password, a session or an emailed token.

They are exempt from limits on failed logins over all accounts, so attacks do not lock them out. All processes share
them. The store contains only keyed digests, so a copy of the database does not reveal the addresses that used an
account.
"""

import hmac
from datetime import timedelta
from uuid import UUID

from stepiq.accounts.queries import known_clients as queries
from stepiq.core import clock
from stepiq.store.database import Session

LIFETIME = timedelta(days=90)
"""How long a client stays known after it last authenticated to the account."""
MOST = 50
"""Maximum known clients of an account. The most recent ones are kept."""


class KnownClients:
    """Stores which clients have authenticated to which accounts."""

    def __init__(self, jwt_secret: bytes) -> None:
        """Derive the digest key from the signing key, so that all processes of a server use the same one."""
        self._key = hmac.digest(jwt_secret, b"stepiq known clients", "sha256")

    async def knows(self, session: Session, email: str, client: str) -> bool:
        """Whether a client has authenticated to an address's account. Takes the same time without an account."""
        return await queries.is_known(session, self._digest(email, client), clock.now() - LIFETIME)

    async def remember(self, session: Session, user_id: UUID, email: str, client: str) -> None:
        """Record that a client has authenticated to an account."""
        await queries.remember(session, self._digest(email, client), user_id, clock.now())
        await queries.keep_newest(session, user_id, MOST)

    def _digest(self, email: str, client: str) -> bytes:
        return hmac.digest(self._key, f"{email}\n{client}".encode(), "sha256")
