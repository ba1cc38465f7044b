"""Records when keys, sessions and secrets were last used, without delaying their use."""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import clock
from stepiq.core.concurrency import tasks
from stepiq.core.errors import StepIQError
from stepiq.core.observability import logging
from stepiq.core.recent import Recent
from stepiq.store.database import Database, Session

INTERVAL = timedelta(minutes=1)
"""Precision of `last_used_at`."""

log = logging.get(__name__)


async def touch(session: Session, table: sa.Table, used: Collection[UUID], now: datetime) -> None:
    """Update `last_used_at` of rows, unless it was updated within `INTERVAL`."""
    last = table.c.last_used_at
    await session.execute(
        sa.update(table)
        .where(table.c.id.in_(sorted(used)), sa.or_(last.is_(None), last <= now - INTERVAL))
        .values(last_used_at=now)
    )


class LastUses:
    """Notes the uses of rows of one table in this process."""

    def __init__(self, database: Database, table: sa.Table) -> None:
        self._database = database
        self._table = table
        self._noted: Recent[UUID, datetime] = Recent(10_000)
        self._writing: set[asyncio.Task[None]] = set()

    def note(self, used: Collection[UUID]) -> None:
        """Record that rows are used now, in the background."""
        now = clock.now()
        due = [each for each in used if self._is_due(each, now)]
        if not due:
            return
        for each in due:
            self._noted[each] = now
        task = asyncio.create_task(self._write(due, now))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def settle(self) -> None:
        """Wait until everything is recorded."""
        await tasks.finish(self._writing)

    def _is_due(self, used: UUID, now: datetime) -> bool:
        noted = self._noted.get(used)
        return noted is None or now - noted >= INTERVAL

    async def _write(self, used: Collection[UUID], now: datetime) -> None:
        try:
            async with self._database.transaction() as session:
                await touch(session, self._table, used, now)
        except StepIQError as error:
            # The date is not essential: an unavailable store must not fail the request.
            log.warning("use_not_recorded", table=self._table.name, code=error.code)
