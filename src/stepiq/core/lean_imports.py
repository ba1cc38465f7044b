"""Imports libraries without the optional packages that they would import, and that stepIQ does not use."""

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager

_hiding = threading.RLock()


@contextmanager
def hidden(name: str) -> Generator[None]:
    """Let libraries that are imported in this block not find a module, unless it is imported already."""
    # Two threads can need a library for the first time at the same time.
    with _hiding:
        if name in sys.modules:
            yield
            return
        # The import system reads this as a module that does not exist.
        sys.modules[name] = None  # pyright: ignore[reportArgumentType]
        try:
            yield
        finally:
            del sys.modules[name]
