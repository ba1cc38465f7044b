"""Deletes test deliveries and daily counts of emails to strangers. A run's deliveries are deleted with the run."""

from datetime import datetime, timedelta

from stepiq.execution.limits import mailboxes
from stepiq.execution.limits.usage import day_of
from stepiq.notify import queries
from stepiq.store.database import Session

_BATCH = 100


async def sweep(session: Session, now: datetime, *, kept: timedelta) -> int:
    """Delete a batch of test deliveries older than `kept`; returns the number deleted."""
    return await queries.forget_tests(session, now - kept, _BATCH)


async def sweep_recipients(session: Session, now: datetime) -> int:
    """Delete a batch of counts of earlier days; returns the number deleted.

    Refusals are kept. Recipients are kept too, because their links can refuse at any time.
    """
    return await mailboxes.forget_counts(session, day_of(now), _BATCH)
