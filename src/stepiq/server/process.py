"""The event loop, the signals and the limit of open files of a process: `stepiq serve` or `stepiq worker`."""

import asyncio
import os
import resource
import signal
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

import uvloop

from stepiq.core.concurrency import garbage_collection
from stepiq.core.observability import logging
from stepiq.core.settings.model import Settings

log = logging.get(__name__)

DRAIN = timedelta(seconds=25)
"""How long a process that stops lets steps in progress finish."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run the event loop of a server or worker until `main` returns, with the limit of open files raised.

    `main` must call `gc_pause.resume_after_start` when it has started. Until it calls `stop_on_signal`, a signal ends
    the process immediately, because nothing is in progress, and a thread may wait for the database for long.
    """
    garbage_collection.pause_during_start()
    raise_file_limit()
    before = {each: signal.signal(each, _end) for each in _SIGNALS}
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _end(number: int, _frame: object) -> None:
    # A second signal ends the process even if nobody reads its log.
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    try:
        log.warning("interrupted", signal=signal.Signals(number).name)
    finally:
        # The default action, after which a service manager sees the signal. The first process of a container ignores it.
        os.kill(os.getpid(), number)
        os._exit(128 + number)


def stop_on_signal() -> asyncio.Event:
    """An event that SIGTERM or Ctrl-C sets. A second signal ends the process immediately."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        for each in _SIGNALS:
            loop.remove_signal_handler(each)

    for each in _SIGNALS:
        loop.add_signal_handler(each, stop)
    return stopping


OTHER_DESCRIPTORS = 1_500
"""Descriptors for everything except client connections: outgoing calls of 1,000 runs, the database, the sandbox."""

_MOST = 65_536
_MOST_OF_MACOS = 10_240
"""Limit of macOS, even if the hard limit is infinite."""


def raise_file_limit() -> int:
    """Raise the soft limit of open files (RLIMIT_NOFILE) to the hard limit, but to at most 65,536. Returns the new limit.

    Child processes inherit it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    for wanted in (most, min(most, _MOST_OF_MACOS)):
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            break
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            break
    return file_limit()


def file_limit() -> int:
    """The current soft limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else soft


def max_connections(settings: Settings, descriptors: int) -> int:
    """The number of client connections to accept: `STEPIQ_MAX_CONNECTIONS`, or fewer if `descriptors` is too low."""
    return min(settings.max_connections, max(descriptors - OTHER_DESCRIPTORS, descriptors // 2))
