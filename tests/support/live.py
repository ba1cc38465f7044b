"""The app on a real socket, served as in production."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.types import ASGIApp

from stepiq.core.settings.model import Settings
from stepiq.server.connections.http import HttpServer
from tests.support.serving import PromptServer


@dataclass(frozen=True)
class Live:
    """A server on loopback."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A plain connection, for requests that an HTTP client cannot send."""
        return await asyncio.open_connection(self.host, self.port)


class _Server(PromptServer, HttpServer):
    pass


@asynccontextmanager
async def live(app: ASGIApp, settings: Settings) -> AsyncIterator[Live]:
    """Serve an app on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(settings, app)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield Live(*listener.getsockname())
    finally:
        server.stop()
        await serving
        listener.close()
