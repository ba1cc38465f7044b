"""Measures the delay of a process's event loop, and reports what blocks it.

The loop records the time every 20 ms, and a thread checks it. If it is too old, the thread captures the stack of the
loop's thread, so that the log shows the function that did not return. Both use less than a thousandth of a core.
"""

import asyncio
import sys
import threading
import time
import traceback
from types import TracebackType
from typing import Self

from stepiq.core import logging, metrics

HELD_SECONDS = 0.1
"""A loop that is blocked for longer is reported."""
_BEAT_SECONDS = 0.02
_LONG_SECONDS = 5.0
"""A loop that is blocked for longer is reported while it is blocked: the process may be killed before it ends."""
_REPORT_EVERY_SECONDS = 10.0
_MAX_FRAMES = 30
_MEASURE_EVERY_SECONDS = 0.5

log = logging.get(__name__)


class Watchdog:
    """Monitors the running event loop inside a `with` block."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._beat = time.monotonic()
        self._longest_delay = 0.0
        """In seconds, since the last measurement."""
        self._next_measurement = self._beat + _MEASURE_EVERY_SECONDS
        self._timer: asyncio.TimerHandle | None = None
        self._stack: list[str] = []
        """Stack of the loop when it was found blocked, outermost call first."""
        self._stack_beat = 0.0
        """The beat after which `_stack` was captured. After a later beat, `_stack` is outdated."""
        self._reported_beat = 0.0
        """The beat after which the loop was last reported while it was blocked."""
        self._next_report = 0.0
        self._unreported = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._schedule()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._stopping.set()
        # The `with` block may end in the iteration that blocked the loop.
        self._note()
        if self._timer is not None:
            self._timer.cancel()
        self._thread.join()

    def _schedule(self) -> None:
        self._timer = self._loop.call_later(_BEAT_SECONDS, self._note)

    def _note(self) -> None:
        now, before = time.monotonic(), self._beat
        held = now - before - _BEAT_SECONDS
        self._beat = now
        self._measure(held)
        if held > HELD_SECONDS:
            stack = self._stack if self._stack_beat == before else []
            self._report(held, stack, is_repeated=self._reported_beat == before)
        self._schedule()

    def _measure(self, delay: float) -> None:
        self._longest_delay = max(self._longest_delay, delay)
        if self._beat >= self._next_measurement:
            metrics.event_loop_lag.observe(self._longest_delay)
            self._longest_delay = 0.0
            self._next_measurement = self._beat + _MEASURE_EVERY_SECONDS

    def _watch(self) -> None:
        while not self._stopping.wait(_BEAT_SECONDS):
            # The loop can continue at any time, so the stack belongs to the beat that was read before.
            beat = self._beat
            held = time.monotonic() - beat - _BEAT_SECONDS
            if held > HELD_SECONDS and self._stack_beat != beat:
                self._stack = _stack(self._thread_id)
                self._stack_beat = beat
            if held > _LONG_SECONDS and self._reported_beat != beat:
                self._reported_beat = beat
                _write(held, self._stack, is_over=False)

    def _report(self, held: float, stack: list[str], *, is_repeated: bool) -> None:
        now = self._beat
        if now < self._next_report and not is_repeated:
            self._unreported += 1
            return
        self._next_report = now + _REPORT_EVERY_SECONDS
        unreported, self._unreported = self._unreported, 0
        _write(held, stack, is_over=True, unreported=unreported)


def _write(held: float, stack: list[str], **facts: object) -> None:
    # The console prints `stack` below the event if it is text.
    log.warning("event_loop_held", seconds=round(held, 3), stack="\n".join(stack), **facts)


def _stack(thread_id: int) -> list[str]:
    """Calls of a thread, outermost first: file, line and function, without source and values."""
    frame = sys._current_frames().get(thread_id)  # pyright: ignore[reportPrivateUsage] - a documented function
    if frame is None:
        return []
    calls = traceback.walk_stack(frame)
    found = traceback.StackSummary.extract(calls, limit=_MAX_FRAMES, lookup_lines=False)
    return [f"{each.filename}:{each.lineno} {each.name}" for each in reversed(found)]
