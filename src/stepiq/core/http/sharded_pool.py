"""Keeps connections in several small pools instead of a large one.

The library's pool iterates over all its connections whenever a request begins or ends: with 500 calls in progress, a
call needs more than twice as much CPU time as with 30.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import cast

import httpx2

MOST_OF_A_POOL = 20
"""Maximum number of requests in progress in one pool."""


class _Pool:
    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self.transport = transport
        self.in_flight = 0


class SpreadTransport(httpx2.AsyncBaseTransport):
    """Sends each request through the first pool with capacity, so that few requests use few connections."""

    def __init__(self, make: Callable[[], httpx2.AsyncBaseTransport]) -> None:
        self._make = make
        self._pools = [_Pool(make())]
        self._closing: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request."""
        pool = self._enter()
        try:
            response = await pool.transport.handle_async_request(request)
        except BaseException:
            self._leave(pool)
            raise
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - every such transport's are
        response.stream = _CountedStream(response.stream, lambda: self._leave(pool))
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools:
            await pool.transport.aclose()
        if self._closing:
            await asyncio.wait(self._closing)

    def _enter(self) -> _Pool:
        pool = next((each for each in self._pools if each.in_flight < MOST_OF_A_POOL), None)
        if pool is None:
            pool = _Pool(self._make())
            self._pools.append(pool)
        pool.in_flight += 1
        return pool

    def _leave(self, pool: _Pool) -> None:
        pool.in_flight -= 1
        while len(self._pools) > 1 and not self._pools[-1].in_flight:
            # An unused pool does not close expired connections, so those of a burst would stay open.
            task = asyncio.create_task(self._pools.pop().transport.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


class _CountedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, leave: Callable[[], None]) -> None:
        self._stream = stream
        self._leave: Callable[[], None] | None = leave

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # All streams of the library are generators.
        async with aclosing(cast(AsyncGenerator[bytes], aiter(self._stream))) as chunks:
            async for chunk in chunks:
                yield chunk

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            if self._leave is not None:
                self._leave()
                self._leave = None
