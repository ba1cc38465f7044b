"""Deletes runs that ended long ago, with their steps, operations, events, large values and deliveries, and bulk jobs."""

from datetime import datetime, timedelta

from stepiq.runs import queries
from stepiq.runs.bulk import queries as bulk
from stepiq.store.database import Session

_RUNS = 100
_EVENTS = 500
"""Maximum events of the runs in one batch. A run's row count grows with its events."""

_BULK_JOBS = 1
"""Bulk jobs in one batch. Each can have 10,000 items."""


async def sweep(session: Session, now: datetime, *, kept: timedelta) -> int:
    """Delete a batch of runs that ended longer ago than `kept`; returns the number of deleted rows.

    A run with a pending delivery is kept until the delivery ends.
    """
    return await queries.delete_ended(session, now - kept, runs_limit=_RUNS, events_limit=_EVENTS)


async def sweep_bulk_jobs(session: Session, now: datetime, *, kept: timedelta) -> int:
    """Delete a batch of bulk jobs that ended longer ago than `kept`; returns the number deleted."""
    return await bulk.delete_ended(session, now - kept, _BULK_JOBS)
