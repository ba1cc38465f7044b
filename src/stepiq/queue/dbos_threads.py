"""Changes what the threads of the library (DBOS) do, and waits until its workflows have ended.

A commit wakes its queues, a queue starts all claimed tickets at once, and unused loops do not poll.

The library starts these threads when it is launched, finds their functions by name, and has no settings for them.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any

from dbos import DBOS
from dbos import _dbos as library  # pyright: ignore[reportPrivateUsage] - see the module
from dbos import _queue as library_queues  # pyright: ignore[reportPrivateUsage] - see the module
from dbos._event_loop import BackgroundEventLoop
from dbos._sys_db import SystemDatabase

from stepiq.core.observability import logging

log = logging.get(__name__)

POLL_SECONDS = 1.0
"""How often a lane is polled while tickets run, and always on PostgreSQL, where another process can die between its
commit and its notification."""
_RETURN_POLL_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class _Hold:
    """When a lane is not polled, in monotonic time."""

    since: float
    until: float


class Lanes:
    """The pauses of the queue threads of this process."""

    def __init__(self, worker: Callable[..., None] = library_queues.queue_worker_thread) -> None:
        self._worker = worker
        self.idle_poll_seconds = 5.0
        """How often a lane is polled while it may rest: its commits wake it, so this is for polls that have failed, such
        as on a full disk."""
        self.may_rest: Callable[[], bool] = lambda: False
        """Whether nothing runs, and only commits of this process can enqueue tickets."""
        self.concurrency = 1
        """How many tickets of a lane may be executed at the same time."""
        self.is_closed = False
        """Whether the queue threads claim no more tickets."""
        self._wakes: dict[str, _Wake] = {}
        self._holds: dict[str, _Hold] = {}
        self._free_until: dict[str, float] = {}

    def open(self) -> None:
        """Allow queue threads that start from now on to claim tickets."""
        self.is_closed = False
        self._wakes.clear()

    def close(self, seconds: float) -> bool:
        """Let no queue thread claim tickets until it is stopped. Blocks for at most `seconds`.

        Returns whether the polls in progress have ended.
        """
        self.is_closed = True
        self.wake()
        deadline = time.monotonic() + seconds
        return all(
            wake.has_paused.wait(max(0.0, deadline - time.monotonic()))
            for wake in list(self._wakes.values())
        )

    def wake(self, lane: str | None = None) -> None:
        """Poll a lane immediately; None means all lanes."""
        for name, wake in list(self._wakes.items()):
            if lane is None or name == lane:
                wake.event.set()

    def hold(self, lane: str, seconds: float) -> None:
        """Do not poll a lane until `release`, and at most for some seconds.

        Does nothing if the last hold is so recent that the lane would be held for more than half of the time.
        """
        now = time.monotonic()
        if now >= self._free_until.get(lane, now):
            self._holds[lane] = _Hold(now, now + seconds)

    def release(self, lane: str) -> None:
        """End a hold, and poll the lane immediately."""
        if (hold := self._holds.pop(lane, None)) is not None:
            now = time.monotonic()
            self._free_until[lane] = now + min(now, hold.until) - hold.since
            self.wake(lane)

    def held_for(self, lane: str) -> float:
        """The seconds until the hold of a lane ends; 0 if it is not held."""
        hold = self._holds.get(lane)
        return 0.0 if hold is None else max(0.0, hold.until - time.monotonic())

    def run(self, stop: threading.Event, instance: DBOS, queue: Any) -> None:
        """The thread of a queue. It does nothing for the library's own queue, which stays empty."""
        if queue.name.startswith("_dbos_"):  # the library reserves such names
            stop.wait()
            return
        # The settings of a queue are constants, so the thread does not read them from the database before each poll.
        queue.database_backed_queue = False
        queue._worker_concurrency, queue._polling_interval_sec = self.concurrency, POLL_SECONDS
        self._wakes[queue.name] = wake = _Wake(stop, self, queue.name)
        _started.tickets = []
        self._worker(wake, instance, queue)


class _Wake:
    """Replaces the stop event of a queue thread, so that a commit can end the thread's pause."""

    def __init__(self, stop: threading.Event, lanes: Lanes, lane: str) -> None:
        self._stop = stop
        self._lanes = lanes
        self._lane = lane
        self.event = threading.Event()
        # The first poll is immediate: tickets may have waited since the last stop.
        self.event.set()
        self.has_paused = threading.Event()
        """Set when the thread waits to be stopped."""

    def is_set(self) -> bool:
        return self._stop.is_set()

    @property
    def _is_ending(self) -> bool:
        return self._stop.is_set() or self._lanes.is_closed

    def wait(self, timeout: float | None = None) -> bool:
        _wait_until_started()
        self.event.wait(self._lanes.idle_poll_seconds if self._lanes.may_rest() else timeout)
        self.event.clear()
        while not self._is_ending and (held := self._lanes.held_for(self._lane)):
            self.event.wait(held)
            self.event.clear()
        if self._lanes.is_closed:
            self.has_paused.set()
            self._stop.wait()
        return self._stop.is_set()


LANES = Lanes()
_submit = BackgroundEventLoop.submit_coroutine


class _Started(threading.local):
    """The tickets that a queue thread has started since its last poll; None in other threads."""

    tickets: list[Future[None]] | None = None


_started = _Started()


def _submit_together(loop: BackgroundEventLoop, start: Coroutine[Any, Any, Any]) -> Any:
    target = loop.target_loop()
    if _started.tickets is None or target is None:
        return _submit(loop, start)
    _started.tickets.append(asyncio.run_coroutine_threadsafe(start, target))
    return None


def _wait_until_started() -> None:
    """Wait until the tickets of the last poll have started, because the next poll counts running tickets."""
    tickets, _started.tickets = _started.tickets or [], []
    for ticket in tickets:
        try:
            ticket.result()
        except CancelledError:
            # The event loop has stopped.
            return
        except Exception:
            log.exception("ticket_start_failed")


async def until_returned(seconds: float) -> None:
    """Wait until the library has no workflows in progress, at most for some seconds.

    It records an outcome in a thread after the workflow's function has returned, and fails if it is stopped before.
    """
    instance = library._dbos_global_instance  # pyright: ignore[reportPrivateUsage] - see the module
    if instance is None:
        return
    active = instance._active_workflows_set.activeList  # pyright: ignore[reportPrivateUsage] - see the module
    deadline = time.monotonic() + seconds
    while active() and time.monotonic() < deadline:  # noqa: ASYNC110 - it sends no signal
        await asyncio.sleep(_RETURN_POLL_SECONDS)


def _wait(stop: threading.Event, *_: Any) -> None:
    stop.wait()


def _return(_: SystemDatabase) -> None:
    pass


# Without waking, a run would start up to a second late.
library_queues.queue_worker_thread = LANES.run
# stepIQ uses neither delayed or timed-out workflows, nor schedules, nor messages of the library. Each of these loops
# queries the database once a second or more often, and on PostgreSQL the last one holds a connection.
library.background_jobs_thread = _wait  # pyright: ignore[reportPrivateImportUsage]
library.dynamic_scheduler_loop = _wait  # pyright: ignore[reportPrivateImportUsage]
# A queue thread would start its tickets one by one, and wait for the event loop and the GIL after each. In a busy
# process, that takes seconds for the tickets of a dead worker.
BackgroundEventLoop.submit_coroutine = _submit_together  # pyright: ignore[reportAttributeAccessIssue] - called by position
SystemDatabase.run_notification_listener = _return  # pyright: ignore[reportAttributeAccessIssue]
