"""Deletes test deliveries, and counts of emails that ask recipients; deliveries of runs are deleted with their runs."""

from datetime import datetime, timedelta

from stepiq.execution.usage import day_of
from stepiq.notify import queries
from stepiq.notify.recipients import queries as recipient_queries
from stepiq.store.database import Session

_BATCH = 100


async def sweep(session: Session, now: datetime, *, kept: timedelta) -> int:
    """Delete some of the test deliveries that were made longer ago than `kept`, and say how many there were."""
    return await queries.forget_tests(session, now - kept, _BATCH)


async def sweep_recipients(session: Session, now: datetime) -> int:
    """Delete some of the counts of earlier days, and say how many there were.

    Refusals stay. Recipients stay, too, because their links can refuse at any time.
    """
    return await recipient_queries.forget_asks(session, day_of(now), _BATCH)
