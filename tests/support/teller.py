"""Records and publishes the events of a run as a worker would."""

from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import clock
from stepiq.execution.admission.control import Admission, RunLog
from stepiq.execution.records import events
from stepiq.execution.records.events import Event
from stepiq.execution.records.trace_queue import TraceQueue
from stepiq.store.database import Database
from stepiq.store.pubsub import LocalChanges, run_topic
from stepiq.store.states import RunStatus
from stepiq.store.tables import run_events, runs


class Teller:
    """Creates events of runs without an engine that executes them."""

    def __init__(self, database: Database, changes: LocalChanges) -> None:
        self._database = database
        self._changes = changes
        self._admission = Admission(changes, cast(Any, None), cast(Any, None), TraceQueue(False))

    async def event(self, run_id: UUID, event: Event, **columns: Any) -> None:
        """Record one event, update columns of the run, and publish the event."""
        async with self._database.transaction() as session:
            changed = await session.execute(
                sa.update(runs)
                .where(runs.c.id == run_id)
                .values(last_seq=runs.c.last_seq + 1, **columns)
                .returning(runs.c.last_seq, runs.c.workspace_id)
            )
            row = changed.one()
            log = RunLog(run_id, row.workspace_id, row.last_seq - 1, [event])
            await self._admission.append_many(session, [log])

    async def log(self, run_id: UUID, number: int) -> None:
        """Record and publish log events."""
        for count in range(number):
            await self.event(
                run_id, events.step_log(events.execution("greet", "", 1), "info", f"line {count}")
            )

    async def record_only(self, run_id: UUID, seq: int, event: Event) -> None:
        """Record an event without publishing it, as if the notification was lost."""
        async with self._database.transaction() as session:
            await session.execute(
                sa.insert(run_events).values(
                    run_id=run_id, seq=seq, type=event.type, data=event.data, created_at=clock.now()
                )
            )
            await session.execute(sa.update(runs).where(runs.c.id == run_id).values(last_seq=seq))

    async def end(self, run_id: UUID, status: RunStatus = RunStatus.CANCELLED) -> None:
        """Record and publish the run's final event."""
        await self.event(run_id, events.run_status(status), status=status, completed_at=clock.now())

    async def set(self, run_id: UUID, **columns: Any) -> None:
        """Update columns of the run without publishing an event."""
        async with self._database.transaction() as session:
            await session.execute(sa.update(runs).where(runs.c.id == run_id).values(**columns))

    def delta(self, run_id: UUID, text: str, step_id: str = "greet") -> None:
        """Publish a piece of streamed text, which is not recorded."""
        event = events.step_delta(events.execution(step_id, "", 1), 1, text)
        self._changes.publish(run_topic(run_id), events.payload(run_id, event, None, clock.now()))
