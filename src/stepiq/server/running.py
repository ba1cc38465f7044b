"""How a process that serves or works runs its event loop."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

import uvloop

_THRESHOLDS = (20_000, 20, 50)
"""By default Python looks for garbage after every 700 new objects, and a model's answer is thousands; that takes a tenth of the CPU."""


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run until `main` returns."""
    gc.set_threshold(*_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)
