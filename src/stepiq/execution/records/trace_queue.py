"""Queues ended runs for the export of their traces, in the transactions that end them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from stepiq.core import clock
from stepiq.store.database import Session
from stepiq.store.statements.sweeping import delete_oldest
from stepiq.store.tables import trace_exports

KEPT = timedelta(hours=24)
"""Traces that cannot be sent for this time are dropped."""
TRACES_QUEUED = "traces:queued"
"""Signal of sessions that have queued traces. Only this process hears it: other workers look from time to time."""

_AFTER_CANCEL = timedelta(seconds=5)
"""A cancelled run is exported later, because the tokens of its aborted calls are counted after the cancel."""

_BATCH = 100
_INSERT = trace_exports.insert()


class TraceQueue:
    """Adds runs to the queue, if the server exports traces."""

    def __init__(self, is_on: bool) -> None:
        self._is_on = is_on

    async def add(self, session: Session, run_ids: Sequence[UUID]) -> None:
        """Queue runs that end in this transaction."""
        if self._is_on:
            now = clock.now()
            await self._insert(session, run_ids, now, now)
            session.signal(TRACES_QUEUED)

    async def add_cancelled(self, session: Session, run_id: UUID, now: datetime) -> None:
        """Queue a run that is cancelled in this transaction."""
        if self._is_on:
            await self._insert(session, [run_id], now, now + _AFTER_CANCEL)

    async def _insert(
        self, session: Session, run_ids: Sequence[UUID], now: datetime, due_at: datetime
    ) -> None:
        rows = [{"run_id": run_id, "due_at": due_at, "created_at": now} for run_id in run_ids]
        await session.execute(_INSERT, rows)


async def sweep(session: Session, now: datetime) -> int:
    """Delete a batch of runs that no process has exported, such as after the export was turned off."""
    # A process that tries to export a run moves this time, and drops the run itself after `KEPT`.
    return await delete_oldest(session, trace_exports.c.due_at, now - KEPT, _BATCH)
