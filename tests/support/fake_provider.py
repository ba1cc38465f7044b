"""Runs stepIQ's fake provider in the event loop of a test, on a free port of the loopback interface."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from stepiq.cli.fake_provider import Behaviour, FakeProvider, RequestRecord, Stats
from tests.support.serving import serving


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


@asynccontextmanager
async def running_fake_provider(**behaviour: Any) -> AsyncIterator[RunningFakeProvider]:
    """A fake provider for one test. `behaviour` contains fields of `Behaviour`."""
    provider = FakeProvider(Behaviour(**behaviour))
    async with serving(provider.app) as port:
        yield RunningFakeProvider(provider, port)
