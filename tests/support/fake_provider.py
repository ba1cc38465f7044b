"""Runs stepIQ's fake provider in the event loop of a test, on a free port of the loopback interface."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from stepiq.cli.fake_provider.server import Behaviour, FakeProvider, RequestRecord, Stats
from tests.support.serving import serving


class RunningFakeProvider:
    """A fake provider that is listening, and its ASGI app."""

    def __init__(self, provider: FakeProvider) -> None:
        self._provider = provider
        self.port = 0
        self._changed = asyncio.Event()
        self._allowed: int | None = None
        self._held = math.inf
        self._count = 0

    @contextmanager
    def holding(self, requests: float = math.inf) -> Iterator[Callable[[int], None]]:
        """Hold the responses of all requests, or of so many next ones, until the block ends.

        The result sends the first chunks of each, up to this number.
        """
        self._held = self._count + requests
        self._allow(0)
        try:
            yield self._allow
        finally:
            self._allow(None)

    def _allow(self, chunks: int | None) -> None:
        self._allowed = chunks
        self._changed.set()
        self._changed = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = 0
        self._count += 1
        number = self._count

        async def hold(message: Message) -> None:
            nonlocal sent
            while self._allowed is not None and number <= self._held and sent >= self._allowed:
                await self._changed.wait()
            sent += message["type"] == "http.response.body"
            await send(message)

        await self._provider.app(scope, receive, hold)

    @property
    def url(self) -> str:
        """The value for `OPENAI_BASE_URL`."""
        return f"http://127.0.0.1:{self.port}/v1"

    def configure(self, **changes: Any) -> None:
        """Change fields of `stepiq.cli.fake_provider.server.Behaviour`."""
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


@asynccontextmanager
async def running_fake_provider(**behaviour: Any) -> AsyncIterator[RunningFakeProvider]:
    """A fake provider for one test. `behaviour` contains fields of `Behaviour`."""
    running = RunningFakeProvider(FakeProvider(Behaviour(**behaviour)))
    async with serving(running) as running.port:
        yield running
