"""A TCP proxy for PostgreSQL that parses client messages, and can drop connections around a COMMIT."""

import asyncio
import struct
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

_ENCRYPTION = {
    80877103,
    80877104,
}  # SSLRequest, GSSENCRequest: refused by one byte, then the client starts over
_CHUNK = 65536
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


class _Connection:
    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._writers = (client, server)
        self.swallowed: asyncio.Future[bool] | None = None
        """If set, the server's next data is dropped, and this future is resolved."""

    def cut(self) -> None:
        for writer in self._writers:
            with suppress(Exception):
                writer.transport.abort()


@dataclass
class _Wish:
    where: Cut
    about: bytes
    done: "asyncio.Future[bool]"


class Proxy:
    """A proxy between the processes and PostgreSQL."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._waiting: list[_Wish] = []
        self._flows = asyncio.Event()
        self._flows.set()
        self.port = 0

    async def start(self) -> None:
        """Accept connections. After `refuse`, the port stays the same."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, backlog=512, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Drop all connections, and accept none until `start`."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut_all()

    def hold(self) -> None:
        """Accept connections but forward no data until `release`, like a store that hangs."""
        self._flows.clear()

    def release(self) -> None:
        self._flows.set()

    def cut_all(self) -> int:
        """Drop all connections, and return their number."""
        count = len(self._connections)
        for connection in list(self._connections):
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
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._carry(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flows.wait()
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        connection = _Connection(writer, up_writer)
        self._connections.add(connection)
        ways = [
            asyncio.ensure_future(self._ask(reader, up_writer, connection)),
            asyncio.ensure_future(self._answer(up_reader, writer, connection)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._connections.discard(connection)
            connection.cut()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: _Connection
    ) -> None:
        talk = ClientTalk()
        while data := await reader.read(_CHUNK):
            for message, committed in talk.feed(data):
                wish = None if committed is None else self._wish(committed)
                if wish is not None and wish.where is Cut.BEFORE:
                    wish.done.set_result(True)
                    return
                if wish is not None:
                    connection.swallowed = wish.done
                await self._flows.wait()
                writer.write(message)
            await writer.drain()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: _Connection
    ) -> None:
        while data := await reader.read(_CHUNK):
            if connection.swallowed is not None:
                if not connection.swallowed.done():
                    connection.swallowed.set_result(True)
                return
            await self._flows.wait()
            writer.write(data)
            await writer.drain()

    def _wish(self, committed: bytes) -> _Wish | None:
        for wish in self._waiting:
            if wish.about in committed:
                self._waiting.remove(wish)
                return wish
        return None
