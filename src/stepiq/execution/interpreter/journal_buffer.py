"""Writes one run's changes to the journal in order, and combines those of several branches into one write."""

import asyncio
from contextlib import suppress

from stepiq.core.observability import logging
from stepiq.execution.journal.writing import Journal, JournalEntry
from stepiq.execution.records.events import Event
from stepiq.execution.records.run import ClaimedRun, Ending, Parking, StepRecord
from stepiq.store.database import StoreUnavailable

log = logging.get(__name__)

_SETTLE_TOGETHER = 20
_SETTLE_SECONDS = 0.1
_LOG_SECONDS = 1.0
_STORE_RETRY_SECONDS = 1.0


class JournalBuffer:
    """Buffers changes that are not yet written, and writes them.

    Only one write is in progress at a time; changes made meanwhile go into the next. Cancelling a caller does not stop
    a write. A write of which certainly nothing was saved, for example because the disk is full, is repeated until it
    succeeds. After another failed write, all later writes fail with the same error.
    """

    def __init__(self, journal: Journal, run: ClaimedRun) -> None:
        self._journal = journal
        self._run = run
        self._entry = JournalEntry()
        self._oldest: float | None = None
        self._next: asyncio.Task[None] | None = None
        self._current: asyncio.Task[None] | None = None
        self._broken: BaseException | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._gives_up = asyncio.Event()

    def add(self, record: StepRecord, event: Event) -> None:
        """Buffer a step's row and an event."""
        self._entry.add(record, event)

    def note(self, event: Event) -> None:
        """Buffer an event."""
        self._entry.events.append(event)

    def log(self, event: Event) -> None:
        """Buffer an event that is written within a second, so that it is seen and kept if its step is stopped."""
        self.note(event)
        self._write_within(_LOG_SECONDS)

    def update(self, record: StepRecord) -> None:
        """Buffer a step's row."""
        self._entry.steps.append(record)

    async def write(self) -> None:
        """Write the buffered changes.

        Raises:
            ClaimLost, StoreUnavailable: as for `Journal.write`, from this or an earlier write.
        """
        await asyncio.shield(self._begin())

    def _begin(self) -> asyncio.Task[None]:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._next is None:
            self._next = asyncio.create_task(self._write_next(self._current))
            # Retrieves the exception even if all callers have been cancelled.
            self._next.add_done_callback(_look_at)
        return self._next

    async def write_in_time(self) -> None:
        """Write if 20 rows are buffered or one is over 100 ms old. Otherwise, a timer writes them."""
        now = asyncio.get_running_loop().time()
        if self._oldest is None:
            self._oldest = now
        overdue = now - self._oldest > _SETTLE_SECONDS
        if overdue or len(self._entry.steps) >= _SETTLE_TOGETHER:
            await self.write()
        else:
            # The next step may take long, or be one of another branch, so a timer writes the buffer.
            self._write_within(_SETTLE_SECONDS)

    def _write_within(self, seconds: float) -> None:
        if self._next is not None:
            return
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer.when() <= loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._begin)

    async def end(self, ending: Ending) -> None:
        """Write the buffered changes and the end of the run."""
        self._entry.ending = ending
        await self.write()

    async def park(self, parking: Parking) -> None:
        """Write the buffered changes, and park the run."""
        self._entry.parking = parking
        await self.write()

    def give_up(self) -> None:
        """Do not repeat failed writes any longer. The next try is the last one."""
        self._gives_up.set()

    async def settled(self) -> None:
        """Give up, and wait for writes in progress and a last one of what is buffered, ignoring their errors."""
        self.give_up()
        await asyncio.wait({self._begin()})

    async def _write_next(self, before: asyncio.Task[None] | None) -> None:
        if before is not None and not before.done():
            await asyncio.wait({before})
        entry, self._entry, self._oldest = self._entry, JournalEntry(), None
        self._current, self._next = self._next, None
        if self._broken is not None:
            raise self._broken
        if entry.is_empty:
            return
        try:
            await self._write_entry(entry)
        except BaseException as error:
            self._broken = error
            raise

    async def _write_entry(self, entry: JournalEntry) -> None:
        while True:
            try:
                await self._journal.write(self._run, entry)
                return
            except StoreUnavailable as error:
                # A run that is claimed again repeats the calls that this entry records.
                if not error.was_answered or self._gives_up.is_set():
                    raise
                log.warning("run_waits_for_store")
            with suppress(TimeoutError):
                async with asyncio.timeout(_STORE_RETRY_SECONDS):
                    await self._gives_up.wait()


def _look_at(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()
