"""Deletes sessions, tokens, invitations, known clients, started sign-ins and logins with a code that have expired."""

from datetime import datetime

from stepiq.accounts.queries import housekeeping as queries
from stepiq.accounts.queries import known_clients
from stepiq.store.database import Session

BATCH = 500
"""Maximum rows of each kind that one batch deletes, so that other transactions do not wait."""


async def sweep(session: Session, now: datetime) -> int:
    """Delete a batch of expired rows of each kind; returns the number deleted.

    Used refresh tokens are kept until they expire after 30 days, because they reveal the reuse of a copy.
    """
    return await queries.delete_expired(session, now, BATCH, known=known_clients.LIFETIME)
