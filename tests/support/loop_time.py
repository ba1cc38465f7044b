"""Moves or stops the clock of the running event loop, so that tests of timers do not depend on their own speed."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_TOLERANCE = 0.01
"""Seconds between the call that begins a timer and the one that schedules it. Shorter than any period of the server."""


def skip(seconds: float) -> None:
    """Advance the clock, so that timers due within this time are due now."""
    loop = asyncio.get_running_loop()
    real = loop.time
    loop.time = lambda: real() + seconds


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Stop the clock after this number of seconds, so that later timers do not fire inside the block."""
    loop = asyncio.get_running_loop()
    real, end = loop.time, loop.time() + seconds
    loop.time = lambda: min(real(), end)
    try:
        yield
    finally:
        loop.time = real


class ChangedTimers:
    """Timers of one length that end earlier or later."""

    def __init__(self) -> None:
        self.number = 0
        """How many have begun."""
        self.is_on = True

    def stop(self) -> None:
        """Let timers that begin from now on take their time again."""
        self.is_on = False


def quicken(seconds: float) -> ChangedTimers:
    """End timers of this length a hundred times earlier, if they begin from now on."""
    return _change(seconds, lambda length: length / 100)


def hold(seconds: float) -> ChangedTimers:
    """End timers of this length an hour later, if they begin from now on."""
    return _change(seconds, lambda length: length + 3_600)


def _change(seconds: float, change: Callable[[float], float]) -> ChangedTimers:
    loop = asyncio.get_running_loop()
    real, changed = loop.call_at, ChangedTimers()

    def call_at(when: float, *arguments: Any, **options: Any) -> asyncio.TimerHandle:
        # Shorter by the time since the caller has read the clock.
        length = when - loop.time()
        if changed.is_on and seconds - _TOLERANCE <= length <= seconds:
            when += change(length) - length
            changed.number += 1
        return real(when, *arguments, **options)

    loop.call_at = call_at  # pyright: ignore[reportAttributeAccessIssue] - passes all arguments on
    return changed
