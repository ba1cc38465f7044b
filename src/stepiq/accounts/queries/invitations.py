"""Queries of the operator's invitations to register."""

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
    """Store an invitation, and delete unused earlier ones of the address."""
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
    """Whether an invitation is valid for this address."""
    found = await session.scalar(sa.select(invitations.c.id).where(_usable(token_hash, email, now)))
    return found is not None


async def spend(session: Session, token_hash: bytes, email: str, now: datetime) -> bool:
    """Mark an invitation as used; False if it is not valid. Only one of two concurrent calls succeeds."""
    statement = sa.update(invitations).where(_usable(token_hash, email, now)).values(used_at=now)
    return (await session.execute(statement)).rowcount == 1


def _usable(token_hash: bytes, email: str, now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        invitations.c.token_hash == token_hash,
        invitations.c.email == email,
        invitations.c.used_at.is_(None),
        invitations.c.expires_at > now,
    )
