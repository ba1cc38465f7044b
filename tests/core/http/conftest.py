import asyncio
from collections.abc import Callable, Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both event loops: the server uses uvloop, and commands that only make a call use the one of Python."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
