"""Python's garbage collector, kept out of the way where it costs more than the work itself."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def paused() -> Generator[None]:
    """Nothing is collected meanwhile. For reading a text into many new lists, which it would go through over and over."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
