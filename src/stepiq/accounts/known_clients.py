"""Clients that have proved an account before, with its password, a session or a mailed token.

Attacks of strangers do not keep them from logging in. All processes share them. The store contains only digests with a key
of the server, so a copy of the database does not reveal from which addresses an account was used.
"""

import hmac
from datetime import timedelta
from uuid import UUID

from stepiq.accounts.queries import known_clients as queries
from stepiq.core import clock
from stepiq.store.database import Session

LIFETIME = timedelta(days=90)
"""How long a client is known after it has proved the account for the last time."""
MOST = 50
"""Known clients of an account. Of more, those seen last are known."""


class KnownClients:
    """Remembers which clients have proved which accounts."""

    def __init__(self, jwt_secret: bytes) -> None:
        """With a key that is derived from the signing key, so every process of a server has the same one."""
        self._key = hmac.digest(jwt_secret, b"stepiq known clients", "sha256")

    async def knows(self, session: Session, email: str, client: str) -> bool:
        """Whether a client has proved the account of an address. For an address without an account, it does the same work."""
        return await queries.is_known(session, self._digest(email, client), clock.now() - LIFETIME)

    async def remember(self, session: Session, user_id: UUID, email: str, client: str) -> None:
        """A client has proved an account."""
        await queries.remember(session, self._digest(email, client), user_id, clock.now())
        await queries.keep_newest(session, user_id, MOST)

    def _digest(self, email: str, client: str) -> bytes:
        return hmac.digest(self._key, f"{email}\n{client}".encode(), "sha256")
