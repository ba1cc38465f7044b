"""A receiver of webhooks on loopback with scripted responses, which records the requests."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

_CLOCKS = 0.05
"""Seconds by which the clocks of the sender and of the receiver may differ."""


@dataclass(frozen=True)
class Reply:
    """The response to a request."""

    status: int = 200
    body: bytes = b"thanks"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before the response is sent."""
    after: asyncio.Event | None = None
    """The response is sent when this is set."""
    hangs_up: bool = False
    """Whether the connection is closed without a response."""
    echoes: bool = False
    """Whether the response repeats the request's headers and body after `body`."""


@dataclass(frozen=True)
class Received:
    """One request, and when it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    raw_headers: bytes
    body: bytes
    at: float
    wall: datetime

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """The received requests, and the script of the next responses. The last response of a script is repeated."""

    host: str = "127.0.0.1"
    port: int = 0
    script: list[Reply] = field(default_factory=lambda: [Reply()])
    received: list[Received] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def reply_with(self, *script: Reply | int) -> None:
        """Set the responses from the next request on. A number is a status."""
        self.received.clear()
        self.answered.clear()
        self.script = [Reply(each) if isinstance(each, int) else each for each in script]

    async def until(self, count: int, timeout: float = 30) -> list[Received]:  # noqa: ASYNC109
        """Wait until at least `count` requests have arrived, and return all."""
        async with asyncio.timeout(timeout), self._came:
            await self._came.wait_for(lambda: len(self.received) >= count)
        return self.received

    @property
    def pauses(self) -> list[float]:
        """Seconds from each response to the next request."""
        starts = [request.at for request in self.received[1:]]
        return [start - end for start, end in zip(starts, self.answered, strict=False)]

    def assert_pauses(self, *wanted: float) -> None:
        """Assert that no pause is shorter than wanted. On a busy machine, each may be longer."""
        assert len(self.pauses) == len(wanted)
        for pause, seconds in zip(self.pauses, wanted, strict=True):
            assert pause >= seconds - _CLOCKS, self.pauses

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await _head(reader):
                await self._answer(head, reader, writer)

    async def _answer(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        line, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = line.split(" ")
        headers = {k.lower(): v.strip() for k, _, v in (each.partition(":") for each in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        reply = self.script[min(len(self.received), len(self.script) - 1)]
        request = Received(method, path, headers, head, body, time.monotonic(), datetime.now(UTC))
        async with self._came:
            self.received.append(request)
            self._came.notify_all()
        await asyncio.sleep(reply.delay)
        if reply.after is not None:
            await reply.after.wait()
        self.answered.append(time.monotonic())
        if reply.hangs_up:
            raise ConnectionError
        content = reply.body + (head + body if reply.echoes else b"")
        sent = {"Content-Length": str(len(content)), **reply.headers}
        lines = [f"HTTP/1.1 {reply.status} Scripted", *(f"{k}: {v}" for k, v in sent.items())]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content)
        await writer.drain()


async def _head(reader: asyncio.StreamReader) -> bytes:
    with suppress(asyncio.IncompleteReadError):
        return (await reader.readuntil(b"\r\n\r\n"))[:-4]
    return b""


@asynccontextmanager
async def running_receiver(host: str = "127.0.0.1") -> AsyncIterator[Receiver]:
    """A receiver on a free port of an address of this machine."""
    receiver = Receiver(host)
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            # The library reports a cancelled connection as an error.
            with suppress(asyncio.CancelledError):
                await receiver.serve(reader, writer)
        finally:
            connections.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, host, 0, backlog=1024)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        # A closed transport releases its socket in the next iteration of the loop.
        await asyncio.sleep(0)
