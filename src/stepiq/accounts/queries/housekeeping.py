"""Deletes credentials that can no longer be used."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from stepiq.store.database import Session
from stepiq.store.statements import sweeping
from stepiq.store.tables import (
    device_logins,
    invitations,
    known_clients,
    password_resets,
    refresh_tokens,
    sessions,
    spent_sign_ins,
)

_LATE = timedelta(days=1)
"""How long sessions and their tokens are kept after their end, so that a late client gets the specific error."""


async def delete_expired(session: Session, now: datetime, limit: int, *, known: timedelta) -> int:
    """Delete a batch of expired rows of each kind; returns the number deleted.

    Args:
        session: the transaction.
        now: the time.
        limit: maximum number of rows of each kind.
        known: how long clients stay known after they last authenticated.
    """
    expired = (
        (refresh_tokens.c.expires_at, now - _LATE),
        (password_resets.c.expires_at, now),
        (invitations.c.expires_at, now),
        (spent_sign_ins.c.expires_at, now),
        (device_logins.c.expires_at, now),
        (known_clients.c.last_seen_at, now - known),
    )
    deleted = [await sweeping.delete_oldest(session, *each, limit) for each in expired]
    return sum(deleted) + await _delete_sessions(session, now - _LATE, limit)


async def _delete_sessions(session: Session, before: datetime, limit: int) -> int:
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
