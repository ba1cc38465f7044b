"""Moves or stops the clock of the running event loop, so that tests of timers do not depend on their own speed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


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
