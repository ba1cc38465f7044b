"""A TCP proxy for PostgreSQL that parses client messages, and can drop connections around a COMMIT.

All statements of all processes pass through it, so it costs as little CPU time as possible: it uses protocols instead
of streams.
"""

import asyncio
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import cast

from tests.support.ports import free_port

_ENCRYPTION = {
    80877103,
    80877104,
}  # SSLRequest, GSSENCRequest: refused by one byte, then the client starts over
_PATIENCE_SECONDS = 5


class Cut(Enum):
    """Where the next transaction that commits loses its connection."""

    BEFORE = "before"
    """COMMIT does not reach the server: nothing is stored."""
    AFTER = "after"
    """The server has committed, but its response does not reach the client."""


class ClientTalk:
    """Splits the client's half of a connection into messages of PostgreSQL's protocol."""

    def __init__(self) -> None:
        self._rest = b""
        self._has_started = False
        self._prepared: dict[bytes, bytes] = {}
        self._said: list[bytes] = []

    def feed(self, data: bytes) -> list[tuple[bytes, bytes | None]]:
        """Return the complete messages, each with the SQL of its transaction if it is a COMMIT, otherwise None."""
        self._rest += data
        messages: list[tuple[bytes, bytes | None]] = []
        while (message := self._next()) is not None:
            messages.append((message, self._committed(message)))
            self._note_start(message)
        return messages

    def _next(self) -> bytes | None:
        head = 1 if self._has_started else 0
        if len(self._rest) < head + 4:
            return None
        (length,) = struct.unpack_from("!I", self._rest, head)
        if len(self._rest) < head + length:
            return None
        message, self._rest = self._rest[: head + length], self._rest[head + length :]
        return message

    def _note_start(self, message: bytes) -> None:
        if not self._has_started:
            (code,) = struct.unpack_from("!I", message, 4)
            self._has_started = code not in _ENCRYPTION

    def _committed(self, message: bytes) -> bytes | None:
        sql = self._executed(message) if self._has_started else None
        if sql is None:
            return None
        word = sql.lstrip()[:6].upper()
        if word == b"COMMIT":
            said, self._said = b"\n".join(self._said), []
            return said
        if word.startswith((b"BEGIN", b"ROLLBA")):
            self._said = []
        else:
            self._said.append(sql)
        return None

    def _executed(self, message: bytes) -> bytes | None:
        kind, body = message[:1], message[5:]
        if kind == b"Q":
            return body.rstrip(b"\0")
        if kind == b"P":
            name, _, rest = body.partition(b"\0")
            self._prepared[name] = rest.partition(b"\0")[0]
        elif kind == b"B":
            name = body.partition(b"\0")[2].partition(b"\0")[0]
            return self._prepared.get(name)
        return None


@dataclass
class _Wish:
    where: Cut
    about: bytes
    done: "asyncio.Future[bool]"


class _End(asyncio.Protocol):
    """One of the two ends of a connection."""

    def __init__(self, connection: "_Connection", receive: Callable[[bytes], None]) -> None:
        self._connection = connection
        self._receive = receive
        self._transport: asyncio.Transport | None = None
        self._is_full = False
        self._reads = True
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connection.begin(self)

    def data_received(self, data: bytes) -> None:
        self._receive(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
        self._connection.end(self)

    def pause_writing(self) -> None:
        self._is_full = True
        self._connection.flow()

    def resume_writing(self) -> None:
        self._is_full = False
        self._connection.flow()

    @property
    def can_write(self) -> bool:
        return self._transport is not None and not self._is_full

    def write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def read(self, *, may_read: bool) -> None:
        """Read from now on, or stop reading, so that the sender has to wait."""
        if self._transport is None or self._reads == may_read:
            return
        self._reads = may_read
        if self._transport.is_closing():
            return
        if may_read:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def close(self) -> None:
        """Close the connection when everything has been sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class _Connection:
    """A client's connection, and the one to the server that it is forwarded to."""

    def __init__(self, proxy: "Proxy") -> None:
        self._proxy = proxy
        self._talk = ClientTalk()
        self._swallowed: asyncio.Future[bool] | None = None
        """If set, the server's next data is dropped, and this future is resolved."""
        self.has_ended = False
        self.client = _End(self, self._ask)
        self.server = _End(self, self._answer)

    def begin(self, end: _End) -> None:
        self._proxy.ends.add(end)
        if self.has_ended:
            # It was cut before this end was connected.
            end.abort()
        else:
            self.flow()

    def flow(self) -> None:
        """Read from each end if the other one can take it."""
        for end, other in ((self.client, self.server), (self.server, self.client)):
            end.read(may_read=self._proxy.flows and other.can_write)

    def end(self, lost: _End) -> None:
        """One end is closed, so close the other one."""
        self.has_ended = True
        self._proxy.ends.discard(lost)
        self._proxy.connections.discard(self)
        for end in (self.client, self.server):
            end.close()

    def cut(self) -> None:
        self.has_ended = True
        for end in (self.client, self.server):
            end.abort()

    def _ask(self, data: bytes) -> None:
        forwarded: list[bytes] = []
        for message, committed in self._talk.feed(data):
            wish = None if committed is None else self._proxy.wish(committed)
            if wish is not None and wish.where is Cut.BEFORE:
                wish.done.set_result(True)
                self.cut()
                return
            if wish is not None:
                self._swallowed = wish.done
            forwarded.append(message)
        self.server.write(b"".join(forwarded))

    def _answer(self, data: bytes) -> None:
        if self._swallowed is None:
            self.client.write(data)
            return
        if not self._swallowed.done():
            self._swallowed.set_result(True)
        self.cut()


class Proxy:
    """A proxy between the processes and PostgreSQL."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self.connections: set[_Connection] = set()
        self.ends: set[_End] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._waiting: list[_Wish] = []
        self._released = asyncio.Event()
        self._released.set()
        self.port = free_port()

    async def start(self) -> None:
        """Accept connections. After `refuse`, the port stays the same."""
        self._server = await asyncio.get_running_loop().create_server(
            self._accept, "127.0.0.1", self.port, backlog=512, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Drop all connections, and accept none until `start`."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut_all()

    @property
    def flows(self) -> bool:
        """Whether data is forwarded."""
        return self._released.is_set()

    def hold(self) -> None:
        """Accept connections but forward no data until `release`, like a store that hangs."""
        self._released.clear()
        self._flow()

    def release(self) -> None:
        self._released.set()
        self._flow()

    def cut_all(self) -> int:
        """Drop all connections, and return their number."""
        count = len(self.connections)
        for connection in list(self.connections):
            connection.cut()
        return count

    async def cut_commit(self, where: Cut, about: bytes = b"") -> bool:
        """Drop the next connection that commits a transaction whose SQL contains `about`. False after a timeout."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        wish = _Wish(where, about, done)
        self._waiting.append(wish)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await done
        except TimeoutError:
            return False
        finally:
            if wish in self._waiting:
                self._waiting.remove(wish)

    async def close(self) -> None:
        self.refuse()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for end in list(self.ends):
            end.abort()
            await end.lost.wait()

    def wish(self, committed: bytes) -> _Wish | None:
        """What to do about a transaction that commits, if it was asked for."""
        for wish in self._waiting:
            if wish.about in committed:
                self._waiting.remove(wish)
                return wish
        return None

    def _flow(self) -> None:
        for connection in self.connections:
            connection.flow()

    def _accept(self) -> _End:
        connection = _Connection(self)
        self.connections.add(connection)
        task = asyncio.get_running_loop().create_task(self._connect(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return connection.client

    async def _connect(self, connection: _Connection) -> None:
        loop, is_connected = asyncio.get_running_loop(), False
        try:
            await self._released.wait()
            if connection.has_ended:
                return
            with suppress(OSError):
                await loop.create_connection(
                    lambda: connection.server, "127.0.0.1", self._upstream_port
                )
                is_connected = True
        finally:
            if not is_connected:
                connection.cut()
