"""Lets a computation in a thread pause regularly without knowing about threads.

Python runs one thread at a time. A thread that computes for long delays all others, also the event loop.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

DUE_SECONDS = 0.000_5
"""CPU time of a thread after which a pause is due."""

_thread = threading.local()


@contextmanager
def calling(pause: Callable[[], None]) -> Generator[None]:
    """In this thread and block, `pause_if_due` calls `pause` every half a millisecond of CPU time."""
    _thread.pause, _thread.since = pause, time.thread_time()
    try:
        yield
    finally:
        _thread.pause = None


def pause_if_due() -> None:
    """Pause if the current thread has computed for long. Call it in loops over data from outside; it is quick.

    Outside of `calling`, it does nothing. It raises what the pause raises, for example if nobody waits for the result.
    """
    pause: Callable[[], None] | None = getattr(_thread, "pause", None)
    if pause is not None and time.thread_time() - _thread.since >= DUE_SECONDS:
        pause()
        _thread.since = time.thread_time()
