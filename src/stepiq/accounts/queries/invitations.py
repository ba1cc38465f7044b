"""Invitations of the operator to register."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from stepiq.store.database import Session
from stepiq.store.tables import invitations


async def insert(
    session: Session,
    *,
    invitation_id: UUID,
    email: str,
    token_hash: bytes,
    created_at: datetime,
    expires_at: datetime,
) -> None:
    """Store an invitation; earlier ones of the address that were not used count no more."""
    await session.execute(
        sa.delete(invitations).where(invitations.c.email == email, invitations.c.used_at.is_(None))
    )
    await session.execute(
        sa.insert(invitations).values(
            id=invitation_id,
            email=email,
            token_hash=token_hash,
            created_at=created_at,
            expires_at=expires_at,
        )
    )


async def counts(session: Session, token_hash: bytes, email: str, now: datetime) -> bool:
    """Whether an invitation of this address can be used."""
    found = await session.scalar(sa.select(invitations.c.id).where(_usable(token_hash, email, now)))
    return found is not None


async def spend(session: Session, token_hash: bytes, email: str, now: datetime) -> bool:
    """Use an invitation up; False if it does not count. Of two at once, one gets it."""
    statement = sa.update(invitations).where(_usable(token_hash, email, now)).values(used_at=now)
    return (await session.execute(statement)).rowcount == 1


def _usable(token_hash: bytes, email: str, now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        invitations.c.token_hash == token_hash,
        invitations.c.email == email,
        invitations.c.used_at.is_(None),
        invitations.c.expires_at > now,
    )
