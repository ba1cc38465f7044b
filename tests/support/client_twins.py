"""The two clients of the library behind one interface, so that each test runs with both."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from stepiq.client import AsyncClient, Client


class Twin:
    """One of the two clients. The synchronous one runs in a thread, because the server runs in the loop of the test."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.is_async = isinstance(client, AsyncClient)

    async def call(self, act: Callable[[Any], Any]) -> Any:
        """Do something with the client, and return the result."""
        if self.is_async:
            found = act(self.client)
            return await found if asyncio.iscoroutine(found) else found
        return await asyncio.to_thread(act, self.client)

    async def all(self, act: Callable[[Any], Any], at_most: int = 10_000) -> list[Any]:
        """The items of a list or a stream."""
        return await self.each(act, lambda items: len(items) >= at_most)

    async def each(
        self, act: Callable[[Any], Any], is_enough: Callable[[list[Any]], bool]
    ) -> list[Any]:
        """The items of a list or a stream, until they are enough."""
        items: list[Any] = []
        if self.is_async:
            async for item in act(self.client):
                items.append(item)
                if is_enough(items):
                    break
            return items

        def read() -> None:
            for item in act(self.client):
                items.append(item)
                if is_enough(items):
                    break

        await asyncio.to_thread(read)
        return items


KINDS = ("sync", "async")


@asynccontextmanager
async def twin_of(kind: str, server: str, **options: Any) -> AsyncIterator[Twin]:
    """A client of a server."""
    if kind == "async":
        async with AsyncClient(server, **options) as client:
            yield Twin(client)
        return
    client = Client(server, **options)
    try:
        yield Twin(client)
    finally:
        await asyncio.to_thread(client.close)
