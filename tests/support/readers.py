"""Clients on plain sockets, with which a test controls when and how much is read."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.support.live import Live
from tests.support.sse import Received, parse

_CHUNK = re.compile(rb"([0-9a-f]+)\r\n")


class Reader:
    """One connection with one response."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.raw = b""
        """All bytes read so far, including the head."""

    async def send(self, data: bytes) -> None:
        """Send more data after the request."""
        await asyncio.get_running_loop().sock_sendall(self._connection, data)

    async def take(self, most: int = 65_536) -> bytes:
        """Wait for data and read it. Returns empty bytes at the end."""
        taken = await asyncio.get_running_loop().sock_recv(self._connection, most)
        self.raw += taken
        return taken

    async def take_all(self) -> bytes:
        """Read until the server closes the connection, and return all bytes."""
        while await self.take():
            pass
        return self.raw

    async def take_until(self, seq: int) -> None:
        """Read until the event with this number, or to the end."""
        while not any(event.seq == seq for event in self.events):
            if not await self.take():
                return

    @property
    def events(self) -> list[Received]:
        """The complete events so far, as a browser would dispatch them."""
        _, _, rest = self.raw.partition(b"\r\n\r\n")
        body = b""
        while found := _CHUNK.match(rest):
            size = int(found[1], 16)
            body += rest[found.end() : found.end() + size]
            rest = rest[found.end() + size + 2 :]
        whole, _, _ = body.rpartition(b"\n\n")
        return parse(whole.decode() + "\n\n")


@asynccontextmanager
async def reading(
    server: Live, path: str, headers: Mapping[str, str] | None = None, buffer: int | None = None
) -> AsyncIterator[Reader]:
    """Request a path without reading the response.

    `buffer` is the size of the client's receive buffer in bytes. The system can enforce a minimum.
    """
    with socket.socket() as connection:
        if buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, (server.host, server.port))
        lines = [f"GET {path} HTTP/1.1", f"Host: {server.host}:{server.port}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        await loop.sock_sendall(connection, "\r\n".join([*lines, "", ""]).encode())
        yield Reader(connection)
