"""Pauses Python's garbage collector where it would cost more than the work itself."""

import gc
from collections.abc import Generator
from contextlib import contextmanager

_THRESHOLDS = (10_000, 4, 500)
"""Thresholds of the garbage collector of a server or worker.

The default of 700 new objects would use a tenth of the CPU, because a model's response creates thousands of objects. The
second threshold limits how many objects are scanned at once, for which the event loop waits: with 20 times 20,000, it
was up to 0.27 seconds.
"""


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


def pause_during_start() -> None:
    """Pause collection until `resume_after_start`.

    Almost everything that a start creates is kept: modules, classes, routes. Scanning it again and again would take a
    quarter of the start.
    """
    gc.disable()


def resume_after_start() -> None:
    """Collect again, with the thresholds of a server, and never scan again what exists now."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    gc.enable()
