"""Deletes sessions, tokens, invitations, known clients, started sign-ins and logins with a code that have expired."""

from datetime import datetime, timedelta

from stepiq.accounts import known_clients
from stepiq.accounts.device_login import queries as device_queries
from stepiq.accounts.oidc import queries as oidc_queries
from stepiq.accounts.queries import housekeeping as queries
from stepiq.store.database import Session

BATCH = 500
"""Maximum rows of each kind that one batch deletes, so that other transactions do not wait."""

_KEPT = timedelta(days=1)  # so that a late client gets the specific error


async def sweep(session: Session, now: datetime) -> int:
    """Delete a batch of expired rows of each kind; returns the number deleted.

    Used refresh tokens are kept until they expire after 30 days, because they reveal the reuse of a copy.
    """
    return sum(
        [
            await queries.delete_tokens(session, now - _KEPT, BATCH),
            await queries.delete_sessions(session, now - _KEPT, BATCH),
            await queries.delete_resets(session, now, BATCH),
            await queries.delete_invitations(session, now, BATCH),
            await oidc_queries.delete_spent(session, now, BATCH),
            await device_queries.delete_expired(session, now, BATCH),
            await queries.delete_known_clients(session, now - known_clients.LIFETIME, BATCH),
        ]
    )
