"""Queries of known clients, which have authenticated to an account before with its password, a session or an emailed token.

They are exempt from limits on failed logins over all accounts, so attacks do not lock them out. All processes share
them. The store contains only keyed digests, so a copy of the database does not reveal the addresses that used an
account.
"""

import hmac
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import clock
from stepiq.store.database import Session
from stepiq.store.statements import sweeping
from stepiq.store.tables import known_clients

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
        statement = sa.select(known_clients.c.user_id).where(
            known_clients.c.digest == self._digest(email, client),
            known_clients.c.last_seen_at > clock.now() - LIFETIME,
        )
        return await session.scalar(statement) is not None

    async def remember(self, session: Session, user_id: UUID, email: str, client: str) -> None:
        """Record that a client has authenticated to an account. At most `MOST` other clients are forgotten at a time."""
        digest = self._digest(email, client)
        new = session.insert(known_clients).values(
            digest=digest, user_id=user_id, last_seen_at=clock.now()
        )
        await session.execute(
            new.on_conflict_do_update(
                index_elements=["digest"], set_={"last_seen_at": new.excluded.last_seen_at}
            )
        )
        seen_at, is_of_user = known_clients.c.last_seen_at, known_clients.c.user_id == user_id
        newest = sa.select(seen_at).where(is_of_user).order_by(seen_at.desc())
        last = await session.scalar(newest.offset(MOST - 1).limit(1))
        if last is not None:
            await sweeping.delete_oldest(session, seen_at, last, MOST, is_of_user)

    def _digest(self, email: str, client: str) -> bytes:
        return hmac.digest(self._key, f"{email}\n{client}".encode(), "sha256")
