"""Runs the event loop of a server or worker."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

import uvloop

from stepiq.server import descriptors

_THRESHOLDS = (20_000, 20, 50)
"""Thresholds of the garbage collector.

The default of 700 new objects would use a tenth of the CPU, because a model's response creates thousands of objects.
"""


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run until `main` returns, with the limit of open files raised."""
    descriptors.raise_limit()
    gc.set_threshold(*_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)
