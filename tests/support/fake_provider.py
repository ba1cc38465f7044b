"""Runs stepIQ's fake provider in the event loop of a test, on a free port of the loopback interface."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from stepiq.cli.fake_provider import Behaviour, FakeProvider, RequestRecord, Stats


class RunningFakeProvider:
    """A fake provider that is listening."""

    def __init__(self, provider: FakeProvider, port: int) -> None:
        self._provider = provider
        self.port = port
        self.url = f"http://127.0.0.1:{port}/v1"
        """The value for `OPENAI_BASE_URL`."""

    def configure(self, **changes: Any) -> None:
        """Change fields of `stepiq.cli.fake_provider.Behaviour`."""
        self._provider.configure(**changes)

    def reset(self) -> None:
        self._provider.reset()

    @property
    def behaviour(self) -> Behaviour:
        return self._provider.behaviour

    @property
    def requests(self) -> list[RequestRecord]:
        return self._provider.requests

    @property
    def stats(self) -> Stats:
        return self._provider.stats

    async def next_request(self, number: int = 1) -> RequestRecord:
        """Wait for the request with this number, from 1. `.ended` is set when its response has ended."""
        return await self._provider.next_request(number)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # pytest handles signals.
        yield


@asynccontextmanager
async def running_fake_provider(**behaviour: Any) -> AsyncIterator[RunningFakeProvider]:
    """A fake provider for one test. `behaviour` contains fields of `Behaviour`."""
    provider = FakeProvider(Behaviour(**behaviour))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = _Server(
        uvicorn.Config(
            provider.app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            await asyncio.sleep(0.001)
            if serving.done():
                serving.result()
        yield RunningFakeProvider(provider, listener.getsockname()[1])
    finally:
        server.should_exit = True
        server.force_exit = True
        await serving
        listener.close()
