"""Fetches the weights of the local model in the background, once for all calls that wait for them."""

import asyncio
from pathlib import Path
from threading import Event

from stepiq.core.observability import logging
from stepiq.providers.local.weights import ensure_local_weights

log = logging.get(__name__)


class WeightsFetch:
    """The weights in one folder. A call that is cancelled leaves the fetch to the next one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cancelled = Event()
        self._task: asyncio.Task[Path] | None = None

    async def path(self) -> Path:
        """The path of the weights, once they are on this machine.

        Raises:
            LocalModelUnavailable: they cannot be fetched.
            WeightsFetchStopped: `close` was called, or a signal has ended the fetch.
        """
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._fetch())
            self._task.add_done_callback(_retrieve)
        return await asyncio.shield(self._task)

    async def close(self) -> None:
        """Stop the fetch for good, and wait until its process and its thread have ended."""
        self._cancelled.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _fetch(self) -> Path:
        try:
            return await asyncio.to_thread(
                ensure_local_weights, self._folder, _report, cancelled=self._cancelled
            )
        except asyncio.CancelledError:
            # The event loop ends. Python waits for the thread at exit.
            self._cancelled.set()
            raise


def _report(line: str) -> None:
    log.info("local_model_setup", detail=line)


def _retrieve(task: asyncio.Task[Path]) -> None:
    """Mark the exception as retrieved: no call may be waiting for it."""
    if not task.cancelled():
        task.exception()
