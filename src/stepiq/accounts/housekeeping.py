"""Deletes sessions, tokens, invitations and known clients that have expired."""

from datetime import datetime, timedelta

from stepiq.accounts import known_clients
from stepiq.accounts.queries import housekeeping as queries
from stepiq.store.database import Session

BATCH = 500
"""How many rows of a kind one turn deletes at most, so that nobody waits for it."""

_KEPT = timedelta(days=1)  # so that whoever comes a little late learns why it counts no more


async def sweep(session: Session, now: datetime) -> int:
    """Delete what has expired, a batch of each kind, and say how many rows there were.

    A spent refresh token stays until its 30 days are over: it is how a copy is noticed.
    """
    return sum(
        [
            await queries.delete_tokens(session, now - _KEPT, BATCH),
            await queries.delete_sessions(session, now - _KEPT, BATCH),
            await queries.delete_resets(session, now, BATCH),
            await queries.delete_invitations(session, now, BATCH),
            await queries.delete_known_clients(session, now - known_clients.LIFETIME, BATCH),
        ]
    )
