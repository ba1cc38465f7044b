"""Runs the event loop of a server or worker."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

import uvloop

from stepiq.server import descriptors

_THRESHOLDS = (20_000, 20, 50)
"""By default Python collects garbage after 700 new objects. The answer of a model has thousands, so this would take a tenth of the CPU."""


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run until `main` returns, with as many files and connections as the system allows."""
    descriptors.raise_limit()
    gc.set_threshold(*_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)
