"""Deletes old outcomes of ticks."""

from datetime import datetime, timedelta

from stepiq.store.database import Session
from stepiq.triggers.schedules import queries

KEPT = timedelta(days=30)
"""How long outcomes of ticks are kept."""

_BATCH = 500


async def sweep(session: Session, now: datetime) -> int:
    """Delete a batch of outcomes older than 30 days; returns the number deleted."""
    return await queries.forget_ticks(session, now - KEPT, _BATCH)
