"""Queries of password reset tokens."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from stepiq.store.database import Session
from stepiq.store.statements.workspaces import membership_of
from stepiq.store.states import BulkStatus
from stepiq.store.tables import bulk_jobs, identities, memberships, password_resets


async def insert(
    session: Session,
    *,
    reset_id: UUID,
    user_id: UUID,
    token_hash: bytes,
    created_at: datetime,
    expires_at: datetime,
) -> None:
    """Store a token's digest."""
    await session.execute(
        sa.insert(password_resets).values(
            id=reset_id,
            user_id=user_id,
            token_hash=token_hash,
            created_at=created_at,
            expires_at=expires_at,
        )
    )


async def count_since(session: Session, user_id: UUID, since: datetime) -> int:
    """The number of tokens created for a user after an instant."""
    statement = sa.select(sa.func.count()).where(
        password_resets.c.user_id == user_id, password_resets.c.created_at > since
    )
    return int(await session.scalar(statement))


async def owner(session: Session, token_hash: bytes, now: datetime) -> UUID | None:
    """The user of a valid token."""
    return await session.scalar(
        sa.select(password_resets.c.user_id).where(
            password_resets.c.token_hash == token_hash, _counts(now)
        )
    )


async def spend(session: Session, token_hash: bytes, now: datetime) -> bool:
    """Mark a token as used; False if it is no longer valid. Only one of two concurrent calls succeeds."""
    statement = (
        sa.update(password_resets)
        .where(password_resets.c.token_hash == token_hash, _counts(now))
        .values(used_at=now)
    )
    return (await session.execute(statement)).rowcount == 1


async def spend_all(session: Session, user_id: UUID, now: datetime) -> None:
    """Mark all tokens of a user as used."""
    await session.execute(
        sa.update(password_resets)
        .where(password_resets.c.user_id == user_id, _counts(now))
        .values(used_at=now)
    )


async def delete(session: Session, reset_id: UUID) -> None:
    """Delete a token that was not sent."""
    await session.execute(sa.delete(password_resets).where(password_resets.c.id == reset_id))


def _counts(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(password_resets.c.used_at.is_(None), password_resets.c.expires_at > now)


async def suspend_identities(session: Session, user_id: UUID, now: datetime) -> None:
    """Refuse sign-ins with the identities of a user until the person connects them again."""
    await session.execute(
        sa.update(identities)
        .where(identities.c.user_id == user_id, identities.c.suspended_at.is_(None))
        .values(suspended_at=now)
    )


async def cancel_bulk_jobs(session: Session, user_id: UUID, now: datetime) -> None:
    """End the unfinished bulk jobs that a user created with a session. Those of API keys end with their keys."""
    # The indexes of the table begin with the workspace.
    workspaces = sa.select(memberships.c.workspace_id).where(membership_of(user_id))
    await session.execute(
        sa.update(bulk_jobs)
        .where(
            bulk_jobs.c.workspace_id.in_(workspaces),
            bulk_jobs.c.completed_at.is_(None),
            bulk_jobs.c.user_id == user_id,
            bulk_jobs.c.key_id.is_(None),
        )
        .values(status=BulkStatus.CANCELLED, completed_at=now, continue_at=None)
    )
