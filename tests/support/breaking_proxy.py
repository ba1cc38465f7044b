"""A proxy for PostgreSQL that goes away when a client sends a statement. It runs in a thread of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Queue

from sqlalchemy.engine import make_url


class _BreakingProxy:
    def __init__(self, host: str, port: int, statement: bytes) -> None:
        self._target = host, port
        self._statement = statement
        self._writers: set[asyncio.StreamWriter] = set()
        self._gone = asyncio.Event()

    async def run(self, ports: "Queue[int]", stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        ports.put(server.sockets[0].getsockname()[1])
        waits = [asyncio.ensure_future(each.wait()) for each in (self._gone, stop)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        await stop.wait()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._target)
        self._writers |= {writer, back}
        with suppress(OSError):
            await asyncio.gather(self._ask(reader, back), self._answer(there, writer))

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self._statement in data:
                self._gone.set()
                return
            writer.write(data)
        writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.transport.abort()


@contextmanager
def broken_at(url: str, statement: bytes) -> Iterator[str]:
    """The URL of a database through a proxy that closes all connections, and accepts none, from a statement on."""
    parts = make_url(url)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    proxy = _BreakingProxy(parts.host or "127.0.0.1", parts.port or 5432, statement)
    ports: Queue[int] = Queue()
    thread = threading.Thread(target=loop.run_until_complete, args=[proxy.run(ports, stop)])
    thread.start()
    try:
        port = ports.get(timeout=10)
        yield parts.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
