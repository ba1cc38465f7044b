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


def quicken(seconds: float) -> Callable[[], None]:
    """End timers of this length a hundred times earlier, if they begin from now on; returns a function that stops this."""
    return _change(seconds, lambda length: length / 100)


def hold(seconds: float) -> Callable[[], None]:
    """End timers of this length an hour later, if they begin from now on; returns a function that stops this."""
    return _change(seconds, lambda length: length + 3_600)


def _change(seconds: float, change: Callable[[float], float]) -> Callable[[], None]:
    loop = asyncio.get_running_loop()
    real, is_on = loop.call_at, True

    def call_at(when: float, *arguments: Any, **options: Any) -> asyncio.TimerHandle:
        # Shorter by the time since the caller has read the clock.
        length = when - loop.time()
        if is_on and seconds - _TOLERANCE <= length <= seconds:
            when += change(length) - length
        return real(when, *arguments, **options)

    def stop() -> None:
        nonlocal is_on
        is_on = False

    loop.call_at = call_at
    return stop
