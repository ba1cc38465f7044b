"""Deletes old entries of the audit log."""

from datetime import datetime, timedelta

from stepiq.accounts.audit import queries
from stepiq.store.database import Session

_BATCH = 500


async def sweep(session: Session, now: datetime, *, kept: timedelta) -> int:
    """Delete a batch of entries older than `kept`; returns the number deleted. Their chains can still be checked."""
    return await queries.delete_oldest(session, now - kept, _BATCH)
