"""A proxy for PostgreSQL that can stop forwarding data without closing connections."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy.engine import make_url


class SilentProxy:
    """Forwards all data until `silence`. After that, new connections are accepted, but receive nothing."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.accepted = 0
        """Number of connections so far."""

    async def start(self) -> int:
        """Listen, and return the port."""
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    def silence(self) -> None:
        """Stop forwarding."""
        self._speaks.clear()

    def speak(self) -> None:
        """Resume forwarding, including the data received since `silence`."""
        self._speaks.set()

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        try:
            await self._speaks.wait()
            there, back = await asyncio.open_connection(*self._target)
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        finally:
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._speaks.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()


@asynccontextmanager
async def proxied(url: str) -> AsyncGenerator[tuple[SilentProxy, str]]:
    """Start a proxy for a database, and yield it with the database's URL through it."""
    parts = make_url(url)
    proxy = SilentProxy(parts.host or "127.0.0.1", parts.port or 5432)
    port = await proxy.start()
    through = parts.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
    try:
        yield proxy, through
    finally:
        await proxy.stop()
