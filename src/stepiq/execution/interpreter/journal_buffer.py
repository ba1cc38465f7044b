"""Writes one run's news into the journal, in their order, and several at a time where several branches have some."""

import asyncio
from datetime import timedelta

from stepiq.execution.events import Event
from stepiq.execution.journal import Entry, Journal
from stepiq.execution.records import ClaimedRun, Ending, Parking, StepRecord

_SETTLE_TOGETHER = 20
_SETTLE_WITHIN = timedelta(milliseconds=100)


class JournalBuffer:
    """What is done but not yet written, and the writing of it.

    One write is under way at a time; what comes meanwhile goes with the next. A write that was begun goes on when whoever waits
    for it is cancelled, and once one has failed, all that follow do.
    """

    def __init__(self, journal: Journal, run: ClaimedRun) -> None:
        self._journal = journal
        self._run = run
        self._entry = Entry()
        self._oldest = 0.0
        self._next: asyncio.Task[None] | None = None
        self._current: asyncio.Task[None] | None = None
        self._broken: BaseException | None = None
        self._timer: asyncio.TimerHandle | None = None

    def add(self, record: StepRecord, event: Event) -> None:
        """Have a step's row written, and its news told."""
        self._entry.add(record, event)

    def note(self, event: Event) -> None:
        """Have something told with what is written next."""
        self._entry.news.append(event)

    def update(self, record: StepRecord) -> None:
        """Have a step's row written."""
        self._entry.steps.append(record)

    async def write(self) -> None:
        """Write what there is.

        Raises:
            ClaimLost, StoreUnavailable: as for `Journal.write`, of this or of an earlier write.
        """
        await asyncio.shield(self._begin())

    def _begin(self) -> asyncio.Task[None]:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._next is None:
            self._next = asyncio.create_task(self._write_next(self._current))
            # Also when everybody who waited for it has been cancelled.
            self._next.add_done_callback(_look_at)
        return self._next

    async def write_in_time(self) -> None:
        """Write what there is, unless it may still wait a moment for what comes next."""
        loop = asyncio.get_running_loop()
        seconds = _SETTLE_WITHIN.total_seconds()
        if len(self._entry.steps) == 1:
            self._oldest = loop.time()
        overdue = loop.time() - self._oldest > seconds
        if overdue or len(self._entry.steps) >= _SETTLE_TOGETHER:
            await self.write()
        elif self._timer is None and self._next is None:
            # What comes next may take long, while another branch is at work.
            self._timer = loop.call_later(seconds, self._begin)

    async def end(self, ending: Ending) -> None:
        """Write what there is, and how the run ended."""
        self._entry.ending = ending
        await self.write()

    async def park(self, parking: Parking) -> None:
        """Write what there is, and that nobody works on the run for a while."""
        self._entry.parking = parking
        await self.write()

    async def settled(self) -> None:
        """Wait for the write under way, whatever comes of it; none begins by itself any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._next is not None:
            await asyncio.wait({self._next})
        if self._current is not None:
            await asyncio.wait({self._current})

    async def _write_next(self, before: asyncio.Task[None] | None) -> None:
        if before is not None and not before.done():
            await asyncio.wait({before})
        entry, self._entry = self._entry, Entry()
        self._current, self._next = self._next, None
        if self._broken is not None:
            raise self._broken
        if entry.is_empty:
            return
        try:
            await self._journal.write(self._run, entry)
        except BaseException as error:
            self._broken = error
            raise


def _look_at(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()
