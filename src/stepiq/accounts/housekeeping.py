"""Deletes credentials that can no longer be used, and old entries of the audit log."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from stepiq.accounts.audit import queries as audit
from stepiq.accounts.queries.known_clients import LIFETIME
from stepiq.store.database import Session
from stepiq.store.statements import sweeping
from stepiq.store.tables import (
    counts,
    device_logins,
    invitations,
    known_clients,
    password_resets,
    refresh_tokens,
    sessions,
    spent_sign_ins,
)
from stepiq.web.counts import LONGEST_PERIOD

BATCH = 500
"""Maximum rows of each kind that one batch deletes, so that other transactions do not wait."""

_LATE = timedelta(days=1)
"""How long sessions and their tokens are kept after their end, so that a late client gets the specific error."""


async def sweep(session: Session, now: datetime) -> int:
    """Delete a batch of expired rows of each kind; returns the number deleted.

    Used refresh tokens are kept until they expire after 30 days, because they reveal the reuse of a copy.
    """
    expired = (
        (refresh_tokens.c.expires_at, now - _LATE),
        (password_resets.c.expires_at, now),
        (invitations.c.expires_at, now),
        (spent_sign_ins.c.expires_at, now),
        (device_logins.c.expires_at, now),
        (known_clients.c.last_seen_at, now - LIFETIME),
        (counts.c.started_at, now - LONGEST_PERIOD),
    )
    deleted = [await sweeping.delete_oldest(session, *each, BATCH) for each in expired]
    return sum(deleted) + await _delete_sessions(session, now - _LATE)


async def _delete_sessions(session: Session, before: datetime) -> int:
    """Delete a batch of sessions that ended before an instant, after their refresh tokens."""
    of_ended = (
        sa.select(refresh_tokens.c.id)
        .join(sessions, sessions.c.id == refresh_tokens.c.session_id)
        .where(sessions.c.expires_at < before)
        .limit(BATCH)
        .with_for_update(of=refresh_tokens, skip_locked=True)
    )
    found = (await session.execute(of_ended)).all()
    has_tokens = sa.exists().where(refresh_tokens.c.session_id == sessions.c.id)
    return await sweeping.delete(session, refresh_tokens, found) + await sweeping.delete_oldest(
        session, sessions.c.expires_at, before, BATCH, ~has_tokens
    )


async def sweep_audit(session: Session, now: datetime, *, kept: timedelta) -> int:
    """Delete a batch of entries older than `kept`; returns the number deleted. Their chains can still be checked."""
    return await audit.delete_oldest(session, now - kept, BATCH)
