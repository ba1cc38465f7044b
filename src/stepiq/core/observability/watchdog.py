"""Measures the delay of a process's event loop, and reports what blocks it.

A thread looks at the loop's thread every 50 ms. If that thread executes Python code, the loop may be blocked, so the
watchdog's thread schedules a callback. If the callback is late, the thread captures the stack of the loop's thread, so
that the log shows the function that did not return. A loop that waits for events is not woken, except twice a second.
"""

import asyncio
import faulthandler
import os
import re
import sys
import tempfile
import threading
import time
from types import FrameType, TracebackType
from typing import BinaryIO, Self

from stepiq.core.observability import logging, metrics

HELD_SECONDS = 0.1
"""A loop that is blocked for longer is reported."""
_CHECK_SECONDS = 0.05
_CHECK_SOON_SECONDS = 0.02
"""While the callback has not been called."""
_LONG_SECONDS = 5.0
"""A loop that is blocked for longer is reported while it is blocked: the process may be killed before it ends."""
_REPORT_EVERY_SECONDS = 10.0
_MAX_FRAMES = 30
_MEASURE_EVERY_SECONDS = 0.5
_CALL = re.compile(r'  File "(.*)", line (\d+) in (.*)')
"""A line of `faulthandler`."""

log = logging.get(__name__)


class Watchdog:
    """Monitors the running event loop inside a `with` block."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._waiting_frame: FrameType | None = None
        """The frame that is the innermost one of the loop's thread while uvloop waits for events.

        The loop of the standard library has no such frame, so its callback is scheduled at every check."""
        self._free_at = time.monotonic()
        """When the loop last waited for events, or called the callback."""
        self._checked_at = self._free_at
        self._held_since: float | None = None
        """The time since which the loop may be blocked; None if the callback is not scheduled."""
        self._longest_delay = 0.0
        """In seconds, since the last measurement."""
        self._next_measurement = self._free_at + _MEASURE_EVERY_SECONDS
        self._stack: list[str] = []
        """Stack of the loop when it was found blocked, outermost call first."""
        self._stack_since: float | None = None
        """The value of `_held_since` when `_stack` was captured. If it has changed, `_stack` is outdated."""
        self._reported_since: float | None = None
        """The value of `_held_since` when the loop was last reported while it was blocked."""
        self._next_report = 0.0
        self._unreported = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()
        # The `with` block may end in the iteration that blocked the loop.
        self._note()
        self._waiting_frame = None

    # -- in the watchdog's thread --

    def _watch(self) -> None:
        while not self._stopping.wait(
            _CHECK_SECONDS if self._held_since is None else _CHECK_SOON_SECONDS
        ):
            self._check()

    def _check(self) -> None:
        now = time.monotonic()
        # The loop can continue at any time, so the stack belongs to the time that was read before.
        asked_since = self._held_since
        since = asked_since or self._suspect(now)
        self._checked_at = now
        if since is None:
            return
        held = now - since
        if held > HELD_SECONDS and self._stack_since != since:
            self._stack = _stack(self._thread_id)
            self._stack_since = since
        if held > _LONG_SECONDS and self._reported_since != since:
            self._reported_since = since
            _write(held, self._stack, is_over=False)
        if asked_since is None:
            self._held_since = since
            self._loop.call_soon_threadsafe(self._note)

    def _suspect(self, now: float) -> float | None:
        """Since when the loop may be blocked; None if it is not. Also now, if it is time for a measurement."""
        # This thread is late if the process gets no CPU time, or if the function that blocks the loop keeps the GIL.
        due = min(now, self._checked_at + _CHECK_SECONDS)
        is_late = now - due > HELD_SECONDS / 2
        is_waiting = _frame(self._thread_id) is self._waiting_frame
        if is_waiting and not is_late:
            self._free_at = now
            return now if now >= self._next_measurement else None
        # The loop was blocked at an unknown time after it was last free, and before this check was due.
        return (self._free_at + max(due, self._free_at)) / 2

    # -- in the loop's thread --

    def _note(self) -> None:
        self._waiting_frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage] - a documented function
        since, now = self._held_since, time.monotonic()
        if since is None:
            return
        self._free_at = now
        self._held_since = None
        held = now - since
        self._measure(held, now)
        if held > HELD_SECONDS:
            stack = self._stack if self._stack_since == since else []
            self._report(held, stack, now, is_repeated=self._reported_since == since)

    def _measure(self, delay: float, now: float) -> None:
        self._longest_delay = max(self._longest_delay, delay)
        if now >= self._next_measurement:
            metrics.event_loop_lag.observe(self._longest_delay)
            self._longest_delay = 0.0
            self._next_measurement = now + _MEASURE_EVERY_SECONDS

    def _report(self, held: float, stack: list[str], now: float, *, is_repeated: bool) -> None:
        if now < self._next_report and not is_repeated:
            self._unreported += 1
            return
        self._next_report = now + _REPORT_EVERY_SECONDS
        unreported, self._unreported = self._unreported, 0
        _write(held, stack, is_over=True, unreported=unreported)


def _write(held: float, stack: list[str], **facts: object) -> None:
    # The console prints the last calls of `stack` below the event if it is text.
    log.warning("event_loop_held", seconds=round(held, 3), stack="\n".join(stack), **facts)


def _frame(thread_id: int) -> FrameType:
    """The innermost frame of a thread."""
    return sys._current_frames()[thread_id]  # pyright: ignore[reportPrivateUsage] - a documented function


def _stack(thread_id: int) -> list[str]:
    """Calls of a thread, outermost first: file, line and function, without source and values.

    The interpreter writes them to a file within one call, so the thread cannot continue meanwhile. A walk along `f_back`
    in Python can be interrupted: in Python 3.11.7, it then found an object that was not a frame.
    """
    with _file_in_memory() as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        _, _, rest = file.read().decode("ascii", "replace").partition(f"0x{thread_id:016x}")
    calls = [_CALL.fullmatch(line) for line in rest.partition("\n\n")[0].splitlines()]
    found = [f"{call[1]}:{call[2]} {call[3]}" for call in calls if call is not None]
    return found[_MAX_FRAMES - 1 :: -1]


def _file_in_memory() -> BinaryIO:
    # A container may have no writable folder.
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("stack"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
