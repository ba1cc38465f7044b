"""Throws away outcomes of ticks that have had their time."""

from datetime import datetime, timedelta

from stepiq.store.database import Session
from stepiq.triggers.schedules import queries

KEPT = timedelta(days=30)
"""How long outcomes of ticks are kept."""

_BATCH = 500


async def sweep(session: Session, now: datetime) -> int:
    """Delete some of the outcomes that are older than 30 days; 0 when none is left."""
    return await queries.forget_ticks(session, now - KEPT, _BATCH)
