"""Ends tasks, and counts processors. A background task that failed or was cancelled does not affect the others."""

import asyncio
import os
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from stepiq.core.observability import logging

log = logging.get(__name__)

Done = TypeVar("Done")

_CONTAINER_CPU = Path("/sys/fs/cgroup/cpu.max")
"""Of cgroup v2: microseconds of CPU time, or `max`, and the period in microseconds."""


async def uninterrupted(work: Coroutine[Any, Any, Done]) -> Done:
    """Await work to its end. A cancel of the caller meanwhile is lost, so the caller should end afterwards."""
    task = asyncio.create_task(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    return task.result()


async def end(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel tasks, and wait until all of them have ended. A cancel of the caller meanwhile applies afterwards.

    The caller reads the results of the tasks. `cancel` is for tasks whose results nobody reads.
    """
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    cancelled: asyncio.CancelledError | None = None
    while unfinished := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(unfinished)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def cancel(tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Cancel tasks, and wait until all of them have ended."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await finish(tasks)


async def finish(tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Wait until all tasks have ended, and log the errors of those that failed."""
    tasks = list(tasks)
    if not tasks:
        return
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_failed", task=task.get_name(), exc_info=error)


def processor_count() -> int:
    """How many processors this process may use, at least one: of the machine, or of a container with a limit of CPU time."""
    count = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    try:
        quota, period = _CONTAINER_CPU.read_text().split()
        return max(1, min(count, round(int(quota) / int(period))))
    except (OSError, ValueError):
        # The process is in no container, or the limit is "max".
        return count


def cancel_once(task: asyncio.Task[Any]) -> bool:
    """Cancel a task unless it is being cancelled: a second cancel would interrupt its cleanup. Returns whether it did."""
    return not is_cancelled(task) and task.cancel()


def is_cancelled(task: asyncio.Task[Any] | None) -> bool:
    """Whether a task is being cancelled, or was."""
    return task is not None and task.cancelling() > 0
