"""Computations that take as long as a test wants, and the workspaces that want them."""

import asyncio
import threading
from typing import Any

from stepiq.core.concurrency.fairness import act_for
from stepiq.language import offload


class Held:
    """Something to compute that takes as long as the test wants."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.done = threading.Event()
        self._loop = asyncio.get_running_loop()

    def compute(self) -> str:
        self._loop.call_soon_threadsafe(self.begun.set)
        assert self.done.wait(30)
        return "done"


def as_owner(
    owner: str, function: Any, *args: Any, offloaded: Any = offload.compute
) -> asyncio.Task[Any]:
    async def compute() -> Any:
        act_for(owner)
        return await offloaded(function, *args)

    return asyncio.create_task(compute())
