"""A server on loopback that implements one vendor's protocol on plain sockets, and can simulate failures."""

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

EVENTS = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


@dataclass
class Refusal:
    """An error response."""

    status: int
    body: Any = None
    """Sent as JSON, or unchanged if it is text."""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Seen:
    """One call, and how it ended."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any
    pieces_sent: int = 0
    closed_by_client: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)


class VendorServer(ABC):
    """The common part of all protocols."""

    url: str

    def __init__(self) -> None:
        self.pieces = ["echo:", " hello"]
        # Tests also send invalid values as numbers of tokens.
        self.input_tokens: Any = 100
        self.cached_tokens: Any = 0
        self.output_tokens: Any = 20
        self.models = ["large", "small"]
        self.connections = 0
        """Connections until now."""
        self.key: str | None = None
        """The only accepted key. None accepts any."""
        self.ending: str | None = None
        """The protocol's finish reason. None for the usual one."""
        self.ran: str | None = None
        """The model named in the response. None for the requested model."""
        self.refusals: list[Refusal] = []
        """Error responses to the next calls."""
        self.events: list[bytes] | None = None
        """The events of the response, instead of those generated from `pieces`."""
        self.is_silent = False
        """Whether the server sends no response."""
        self.hangs_at: int | None = None
        """Index of the event before which the response stalls. 0 is the first."""
        self.drops_at: int | None = None
        """Index of the event before which the connection is aborted."""
        self.ends_at: int | None = None
        """Index of the event before which the response ends regularly."""
        self.replaced_at: tuple[int, bytes] | None = None
        """Index of an event, and the data sent instead of it and of all later events."""
        self.seen: list[Seen] = []
        self._arrived = asyncio.Event()

    @property
    def total_tokens(self) -> int:
        """The sum of input and output tokens, without those that are not integers."""
        return sum(each for each in (self.input_tokens, self.output_tokens) if type(each) is int)

    @property
    def uncached_tokens(self) -> Any:
        """Input tokens without those read from the cache."""
        if type(self.input_tokens) is type(self.cached_tokens) is int:
            return self.input_tokens - self.cached_tokens
        return self.input_tokens

    @abstractmethod
    def made_of(self, seen: Seen) -> Iterator[bytes]:
        """The events of a response."""

    @abstractmethod
    def listing(self) -> Any:
        """The body of the list of models."""

    @abstractmethod
    def key_in(self, headers: dict[str, str]) -> str | None: ...

    @abstractmethod
    def wrong_key(self) -> Refusal:
        """The response to a wrong key. It repeats the key if the vendor's response does."""

    def refusal_of(self, seen: Seen) -> Refusal | None:
        """The error for an invalid request, apart from its key. None if it is valid."""
        return None

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    async def next_call(self, number: int = 1) -> Seen:
        """Wait for the call with this number, from 1, and return it."""
        while len(self.seen) < number:
            self._arrived.clear()
            await self._arrived.wait()
        return self.seen[number - 1]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["VendorServer"]:
        """Listen on a free port until the block ends."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._tasks: set[asyncio.Task[None]] = set()
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            # The stream's callback would report a cancellation as an error.
            with contextlib.suppress(
                ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError
            ):
                while True:
                    await self._answer(await _read(reader), reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(
        self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.seen.append(seen)
        self._arrived.set()
        left = asyncio.ensure_future(reader.read(1))
        try:
            if self.is_silent:
                await left
                seen.closed_by_client = True
                raise ConnectionResetError
            refusal = self._refusal(seen)
            if refusal is not None:
                _send(writer, refusal.status, refusal.body, refusal.headers)
            elif seen.method == "GET":
                _send(writer, 200, self.listing(), {})
            else:
                await self._stream(seen, writer, left)
            await writer.drain()
        finally:
            seen.ended.set()
            left.cancel()

    def _refusal(self, seen: Seen) -> Refusal | None:
        if self.key is not None and self.key_in(seen.headers) != self.key:
            return self.wrong_key()
        return self.refusals.pop(0) if self.refusals else self.refusal_of(seen)

    async def _stream(
        self, seen: Seen, writer: asyncio.StreamWriter, left: "asyncio.Future[bytes]"
    ) -> None:
        events = self.events if self.events is not None else list(self.made_of(seen))
        writer.write(_head(200, {**EVENTS, "transfer-encoding": "chunked"}))
        for number, made in enumerate(events):
            event = made
            if number == self.hangs_at:
                await writer.drain()
                await left
                seen.closed_by_client = True
                raise ConnectionResetError
            if number == self.drops_at:
                await writer.drain()
                writer.transport.abort()
                raise ConnectionResetError
            if number == self.ends_at:
                break
            if self.replaced_at is not None and number == self.replaced_at[0]:
                event = self.replaced_at[1]
            writer.write(b"%x\r\n%s\r\n" % (len(event), event))
            seen.pieces_sent += 1
            await writer.drain()
            if event is not made:
                break
        writer.write(b"0\r\n\r\n")


def event(data: Any, name: str | None = None) -> bytes:
    """One server-sent event. Text is sent unchanged, other data as JSON."""
    text = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


async def _read(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split()
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", 0)))
    parts = urlsplit(target)
    body = json.loads(raw) if raw else None
    return Seen(method, parts.path, parse_qs(parts.query), headers, body)


def _send(writer: asyncio.StreamWriter, status: int, body: Any, headers: dict[str, str]) -> None:
    raw = (body if isinstance(body, str) else json.dumps(body)).encode()
    writer.write(_head(status, {**JSON, "content-length": str(len(raw)), **headers}) + raw)


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
