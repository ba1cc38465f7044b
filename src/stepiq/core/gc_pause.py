"""Pauses Python's garbage collector where it would cost more than the work itself."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def paused() -> Generator[None]:
    """Pause collection in this block. For parsing a text into many lists, which the collector would scan repeatedly."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
