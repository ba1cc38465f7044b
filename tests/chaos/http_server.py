"""A minimal HTTP/1.1 server with one request per connection, which detects when the client disconnects."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    at: float


class Talk:
    """A request, and operations on its connection."""

    def __init__(
        self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.asked = asked
        self._reader = reader
        self._writer = writer

    async def answer(self, status: int, body: bytes, content_type: str = "text/plain") -> None:
        """Send a complete response."""
        self._head(status, content_type, f"Content-Length: {len(body)}")
        self._writer.write(body)
        await self._writer.drain()

    async def begin(self, content_type: str) -> None:
        """Send the head of a response that ends when the connection closes."""
        self._head(200, content_type, "Cache-Control: no-store")
        await self._writer.drain()

    async def send(self, data: bytes) -> None:
        """Send a part of a response.

        Raises:
            ConnectionError: the client has disconnected.
        """
        if self._writer.is_closing():
            raise ConnectionResetError
        self._writer.write(data)
        await self._writer.drain()

    async def gone(self) -> None:
        """Wait until the client disconnects."""
        with suppress(ConnectionError):
            while await self._reader.read(4096):
                pass

    def _head(self, status: int, content_type: str, line: str) -> None:
        head = f"HTTP/1.1 {status} Scripted\r\nContent-Type: {content_type}\r\n{line}\r\nConnection: close\r\n\r\n"
        self._writer.write(head.encode())


Handler = Callable[[Talk], Awaitable[Any]]


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
    at = time.time()
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (each.partition(":") for each in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(line.split(" ")[1], headers, body, at)


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Run a server on a free port of loopback, and yield its URL."""
    talks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await handler(Talk(await _read(reader), reader, writer))
        finally:
            talks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        # A closed transport releases its socket in the next iteration of the loop.
        await asyncio.sleep(0)
