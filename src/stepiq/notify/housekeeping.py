"""Throws away test deliveries; deliveries of runs go with their runs."""

from datetime import datetime, timedelta

from stepiq.notify import queries
from stepiq.store.database import Session

_BATCH = 100


async def sweep(session: Session, now: datetime, *, kept: timedelta) -> int:
    """Delete some of the test deliveries that were made longer ago than `kept`, and say how many there were."""
    return await queries.forget_tests(session, now - kept, _BATCH)
