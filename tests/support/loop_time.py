"""The time of the running event loop, by which its timers go: moved and stopped, so that no test depends on how fast it is."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


def skip(seconds: float) -> None:
    """Let all timers that are due within this time be due now."""
    loop = asyncio.get_running_loop()
    real = loop.time
    loop.time = lambda: real() + seconds


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Stop the time after so many seconds: what a later timer would do does not happen inside the block."""
    loop = asyncio.get_running_loop()
    real, end = loop.time, loop.time() + seconds
    loop.time = lambda: min(real(), end)
    try:
        yield
    finally:
        loop.time = real
