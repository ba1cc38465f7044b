"""Deletes credentials that can no longer be used."""

from datetime import datetime

import sqlalchemy as sa

from stepiq.store import sweeping
from stepiq.store.database import Session
from stepiq.store.tables import (
    invitations,
    known_clients,
    password_resets,
    refresh_tokens,
    sessions,
)


async def delete_tokens(session: Session, before: datetime, limit: int) -> int:
    """Delete a batch of refresh tokens that expired before an instant."""
    return await sweeping.delete_oldest(session, refresh_tokens.c.expires_at, before, limit)


async def delete_resets(session: Session, before: datetime, limit: int) -> int:
    """Delete a batch of reset tokens that expired before an instant."""
    return await sweeping.delete_oldest(session, password_resets.c.expires_at, before, limit)


async def delete_invitations(session: Session, before: datetime, limit: int) -> int:
    """Delete a batch of invitations that expired before an instant, used or not."""
    return await sweeping.delete_oldest(session, invitations.c.expires_at, before, limit)


async def delete_known_clients(session: Session, before: datetime, limit: int) -> int:
    """Delete a batch of clients that have not authenticated since an instant."""
    return await sweeping.delete_oldest(session, known_clients.c.last_seen_at, before, limit)


async def delete_sessions(session: Session, before: datetime, limit: int) -> int:
    """Delete a batch of sessions that ended before an instant, after their refresh tokens."""
    of_ended = (
        sa.select(refresh_tokens.c.id)
        .join(sessions, sessions.c.id == refresh_tokens.c.session_id)
        .where(sessions.c.expires_at < before)
        .limit(limit)
        .with_for_update(of=refresh_tokens, skip_locked=True)
    )
    found = (await session.execute(of_ended)).all()
    has_tokens = sa.exists().where(refresh_tokens.c.session_id == sessions.c.id)
    return await sweeping.delete(session, refresh_tokens, found) + await sweeping.delete_oldest(
        session, sessions.c.expires_at, before, limit, ~has_tokens
    )
