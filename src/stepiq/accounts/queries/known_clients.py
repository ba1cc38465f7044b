"""Queries of clients that have authenticated to an account."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from stepiq.store.database import Session
from stepiq.store.statements import sweeping
from stepiq.store.tables import known_clients


async def is_known(session: Session, digest: bytes, since: datetime) -> bool:
    """Whether a client has authenticated to its account since an instant."""
    statement = sa.select(known_clients.c.user_id).where(
        known_clients.c.digest == digest, known_clients.c.last_seen_at > since
    )
    return await session.scalar(statement) is not None


async def remember(session: Session, digest: bytes, user_id: UUID, now: datetime) -> None:
    """Record that a client has authenticated to an account now."""
    new = session.insert(known_clients).values(digest=digest, user_id=user_id, last_seen_at=now)
    await session.execute(
        new.on_conflict_do_update(
            index_elements=["digest"], set_={"last_seen_at": new.excluded.last_seen_at}
        )
    )


async def keep_newest(session: Session, user_id: UUID, count: int) -> None:
    """Delete the clients of an account, except the `count` most recent ones. At most `count` are deleted at a time."""
    seen_at, is_of_user = known_clients.c.last_seen_at, known_clients.c.user_id == user_id
    newest = sa.select(seen_at).where(is_of_user).order_by(seen_at.desc())
    last = await session.scalar(newest.offset(count - 1).limit(1))
    if last is not None:
        await sweeping.delete_oldest(session, seen_at, last, count, is_of_user)
