"""Throws away runs that ended long ago, with their steps, events, large values and deliveries."""

from datetime import datetime, timedelta

from stepiq.runs import queries
from stepiq.store.database import Session

_RUNS = 100
_EVENTS = 500
"""A turn deletes as many runs as have this many events together, and at least one: what a run has of rows grows with them."""


async def sweep(session: Session, now: datetime, *, kept: timedelta) -> int:
    """Delete some of the runs that ended longer ago than `kept`, and say how many there were.

    A run with a delivery under way stays until that has ended.
    """
    return await queries.delete_ended(session, now - kept, runs_limit=_RUNS, events_limit=_EVENTS)
